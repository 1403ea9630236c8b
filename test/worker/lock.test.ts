import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { lockFolder } from '../../src/worker/lock.ts'
import { testFolder } from '../fixture/folder.ts'

const held = expect.objectContaining({ kind: 'unavailable', message: 'another worker uses the folder' })

/**
 * Another process that holds the lock, in a world of process numbers of its own where that may be made.
 * @returns kills it
 */
async function holderOf(folder: string): Promise<() => Promise<void>> {
  const lock = JSON.stringify(new URL('../../src/worker/lock.ts', import.meta.url).href)
  const program = `
    import { lockFolder } from ${lock}
    lockFolder(${JSON.stringify(folder)})
    console.log('locked')
    setInterval(() => undefined, 2 ** 30)`
  const apart = process.getuid?.() === 0 && process.platform === 'linux'
  const words = [process.execPath, '--input-type=module', '--eval', program]
  const [file = '', ...args] = apart ? ['unshare', '--pid', '--fork', ...words] : words
  const holder = execa(file, args, { reject: false, stdin: 'ignore' })
  await once(holder.stdout, 'data')
  const children = apart ? readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8') : ''
  return async () => {
    process.kill(Number(children.trim() || holder.pid), 'SIGKILL')
    await holder
  }
}

test("a folder is one process' alone, and is given back", async () => {
  const folder = await testFolder()
  const release = lockFolder(folder)
  expect(() => lockFolder(folder)).toThrow(held)
  release()
  lockFolder(folder)()
})

test('a holder in another container is seen, and a killed one holds nothing', async () => {
  const folder = await testFolder()
  const kill = await holderOf(folder)
  try {
    expect(() => lockFolder(folder)).toThrow(held)
  } finally {
    await kill()
  }
  lockFolder(folder)()
})

test('what a former release left of its lock is not a hindrance', async () => {
  const folder = await testFolder()
  writeFileSync(join(folder, 'lock'), `${process.pid} 1`)
  const release = lockFolder(folder)
  rmSync(join(folder, 'lock'))
  expect(() => lockFolder(folder)).toThrow(held)
  release()
})

test('a folder that cannot be locked is told', async () => {
  expect(() => lockFolder(join(import.meta.filename, 'no'))).toThrow(
    expect.objectContaining({
      kind: 'unavailable',
      next: [expect.stringContaining('file system that supports locks')],
    }),
  )
})
