import { describe } from 'vitest'
import { driverContract } from '../../contract/driver.ts'
import { createKindNative } from '../../fixture/kind.ts'
import { kindParts } from '../../fixture/kind-parts.ts'

const name = 'kc-contract'
const parts = await kindParts()

describe.skipIf(!parts)('a cluster of kind', () => {
  driverContract('kind', async () => {
    if (!parts) throw new Error('not there')
    const native = await createKindNative(parts, name)
    return { folder: native.home, open: () => native.open(name), dispose: () => native.dispose() }
  })
})
