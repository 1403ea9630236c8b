import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { declarations, findClusterRegistry, openDriver } from '../../src/cluster/open.ts'
import { driverOptionsContract } from '../contract/driver-options.ts'
import { testFolder } from '../fixture/folder.ts'
import { root } from '../fixture/program.ts'

async function freshUser() {
  const home = await testFolder()
  return { env: { PATH: join(home, 'no-programs') }, home, tmp: home, uid: process.getuid?.() ?? -1 }
}

async function opened(kind: 'process' | 'kind') {
  return openDriver(kind, {
    ...(await freshUser()),
    name: 'n',
    program: [process.execPath, join(root, 'bin/run.js')],
    release: 'test',
  })
}

driverOptionsContract(declarations.process, () => opened('process'))
driverOptionsContract(declarations.kind, () => opened('kind'))

describe('an option of another driver', () => {
  test.each([
    ['process', 'nodes', 2, '--driver kind'],
    ['kind', 'private', true, '--driver process'],
  ] as const)('is refused by %s with the one that takes it', async (kind, option, value, next) => {
    const driver = await opened(kind)
    const call = () => (option === 'nodes' ? driver.up({ retain: false, nodes: 2 }) : driver.deploy({ private: value }))
    expect(call).toThrow(expect.objectContaining({ kind: 'invalid', next: [expect.stringContaining(next)] }))
  })
})

test('a registry is asked of docker, which has to be there', async () => {
  await expect(findClusterRegistry('n', await freshUser())).rejects.toMatchObject({ kind: 'precondition' })
})
