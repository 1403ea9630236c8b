import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { startVictim } from './crash/victim.ts'

const bytesMax = 10_000_000
let folder: DiskFolder
beforeEach(() => {
  folder = diskFolder(bytesMax)
})
afterEach(() => folder.remove())

describe('one process at a time', () => {
  test('a folder that is open cannot be opened again', async () => {
    const store = await folder.open()
    await expect(folder.open()).rejects.toMatchObject({ kind: 'unavailable', where: folder.path })
    await store.close()
    await (await folder.open()).close()
  })
  test('L4: nor when its lock has been removed, or replaced, meanwhile', async () => {
    const store = await folder.open()
    for (const name of readdirSync(folder.path).filter((each) => each.startsWith('lock')))
      rmSync(join(folder.path, name))
    await expect(folder.open()).rejects.toMatchObject({ kind: 'unavailable', where: folder.path })
    writeFileSync(join(folder.path, 'lock'), '')
    await expect(folder.open()).rejects.toMatchObject({ kind: 'unavailable', where: folder.path })
    await store.close()
    await (await folder.open()).close()
  })
  test('nor by another process', async () => {
    const store = await folder.open()
    const outcome = startVictim().runAndKill({ path: folder.path, bytesMax, run: 1 }, 1)
    await expect(outcome).rejects.toThrow('another process has the store open')
    await store.close()
  })
  test('a killed process does not hold it', async () => {
    await startVictim().runAndKill({ path: folder.path, bytesMax, run: 1 }, 1)
    await (await folder.open()).close()
  })
})

describe('the format', () => {
  test('another version of the folder is one clear failure', async () => {
    await (await folder.open()).close()
    writeFileSync(join(folder.path, 'format'), 'native store 2\n')
    await expect(folder.open()).rejects.toMatchObject({
      kind: 'precondition',
      message: 'the store was written in format 2; this program reads 1',
    })
  })
  test('so is another version of a segment', async () => {
    const store = await folder.open()
    await store.blobs.put(seededBlob(1, 100).digest, seededBlob(1, 100).bytes)
    await store.close()
    const [file = ''] = folder.files('blobs')
    const bytes = readFileSync(file)
    bytes.writeUInt32LE(7, 4)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
    writeFileSync(file, bytes)
    await expect(folder.open()).rejects.toMatchObject({ kind: 'precondition' })
    // The failure leaves the folder unlocked.
    await expect(folder.open()).rejects.toMatchObject({ kind: 'precondition' })
  })
  test('a folder with other things in it is left alone', async () => {
    writeFileSync(join(folder.path, 'thesis.txt'), 'years of work')
    await expect(folder.open()).rejects.toMatchObject({ kind: 'invalid', where: folder.path })
    expect(readFileSync(join(folder.path, 'thesis.txt'), 'utf8')).toBe('years of work')
  })
  test('a kill while the folder was made does not spoil it', async () => {
    writeFileSync(join(folder.path, 'format.new'), 'native st')
    await (await folder.open()).close()
    await (await folder.open()).close()
  })
  test('a path that is a file is a failure too', async () => {
    const file = join(folder.path, 'file')
    writeFileSync(file, '')
    await expect(folder.open({ path: file })).rejects.toMatchObject({ name: 'Failure' })
  })
})
