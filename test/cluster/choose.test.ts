import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseDriver } from '../../src/cluster/choose.ts'
import { kindPaths } from '../../src/cluster/kind/paths.ts'
import { clusterPaths } from '../../src/cluster/process/paths.ts'
import { testFolder } from '../fixture/folder.ts'

async function surroundingsWith(...kinds: ('process' | 'kind')[]) {
  const home = await testFolder()
  const user = { env: {}, home, tmp: home, uid: process.getuid?.() ?? -1 }
  for (const kind of kinds) {
    const file = { process: clusterPaths, kind: kindPaths }[kind]('n', user).cluster
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, '{}')
  }
  return user
}

describe('the driver of a user who names none', () => {
  test('is processes where there is no cluster', async () => {
    expect(await chooseDriver('n', await surroundingsWith())).toBe('process')
  })

  test.each(['process', 'kind'] as const)('is that of the cluster which is there: %s', async (kind) => {
    expect(await chooseDriver('n', await surroundingsWith(kind))).toBe(kind)
    expect(await chooseDriver('another', await surroundingsWith(kind))).toBe('process')
  })

  test('is the one that can do what is asked for, whatever is there', async () => {
    expect(await chooseDriver('n', await surroundingsWith(), 'render')).toBe('kind')
    expect(await chooseDriver('n', await surroundingsWith('process'), 'render')).toBe('kind')
    expect(await chooseDriver('n', await surroundingsWith('process', 'kind'), 'render')).toBe('kind')
    expect(await chooseDriver('n', await surroundingsWith('process'), 'deploy')).toBe('process')
  })

  test('has to be named where there are two of one name', async () => {
    await expect(chooseDriver('n', await surroundingsWith('process', 'kind'))).rejects.toMatchObject({
      kind: 'invalid',
      where: '--driver',
    })
  })
})
