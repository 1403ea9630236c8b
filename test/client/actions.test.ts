import { expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { openRemote } from './remote.ts'

test('rule 18: a miss is undefined; what was stored comes back', async () => {
  const { channel } = openRemote()
  const actions = createActionsClient(channel)
  const action = blobOf('action').digest
  expect(await actions.get(action)).toBeUndefined()
  const output = blobOf('output')
  const result = { outputFiles: [{ path: 'f', digest: wireDigest(output.digest) }] }
  await expect(actions.update(action, result)).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION })
  await createCasClient(channel).upload([{ digest: output.digest, content: output.bytes }])
  await actions.update(action, result)
  expect((await actions.get(action, { outputFiles: ['f'] }))?.outputFiles).toMatchObject([{ path: 'f' }])
})
