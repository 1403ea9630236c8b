import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'

const store = 'store: {kind: memory, size: 1MB}'
const stack = /^[\s|]*at .*\.[jt]s:\d+:\d+\)?$/m

describe('native serve with a configuration that is wrong', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative([])
  })
  afterAll(() => native.dispose())

  async function serve(role: string, text: string, ...flags: string[]) {
    const file = join(native.home, 'bad.yaml')
    writeFileSync(file, text)
    const { exitCode, stdout, stderr } = await native.run('serve', role, '--config', file, ...flags)
    return { exitCode, said: stdout + stderr, file }
  }

  test.each([
    ['cas', `listen: nowhere\n${store}\n`, '1:9', 'listen: expected HOST:PORT'],
    ['cas', `listen: 127.0.0.1:70000\n${store}\n`, '1:9', 'listen: expected HOST:PORT'],
    ['scheduler', 'listen: 127.0.0.1:0\ncas: grpc://x:70000\n', '2:6', 'cas: expected grpc://HOST:PORT'],
    ['cas', `listen: 127.0.0.1:0\n${store}\ncach_size: 5\n`, '3:1', 'cach_size: there is no such setting'],
    ['cas', 'listen: 127.0.0.1:0\nstore:\n  kind: disk\n  path: x\n  size: much\n', '5:9', 'store.size'],
    ['cas', 'listen: 127.0.0.1:0\nstore:\n  kind: tape\n', '3:9', 'store.kind'],
    ['cas', `listen: 127.0.0.1:0\n${store}\ndrain: soon\n`, '3:8', 'drain'],
    ['cas', 'listen: [\n', '', 'bad.yaml'],
    ['cas', '', '', 'listen'],
    ['cas', 'just text\n', '1:1', 'expected'],
    ['scheduler', 'listen: 127.0.0.1:0\ncas: http://x:1\n', '2:6', 'cas: expected grpc://HOST:PORT'],
    ['scheduler', 'listen: 127.0.0.1:0\ncas: grpc://x:1\nqueue_max: -1\n', '3:12', 'queue_max'],
    ['worker', 'scheduler: grpc://x:1\ncas: grpc://x:1\ndirectory: x\nslots: 1.5\n', '4:8', 'slots'],
    ['worker', 'scheduler: grpc://x:1\ncas: grpc://x:1\ndirectory: ""\n', '3:12', 'directory'],
  ])('%s: %j is told with its place %s', async (role, text, place, problem) => {
    const { exitCode, said, file } = await serve(role, text)
    expect(exitCode).toBe(2)
    expect(said).toContain(place === '' ? file : `${file}:${place}`)
    expect(said).toContain(problem)
    expect(said).not.toMatch(stack)
  })

  test('all mistakes are told at once, and with --debug there is a stack', async () => {
    const text = `listen: nowhere\n${store}\ndrain: soon\nlog: {level: loud}\n`
    const { said, file } = await serve('cas', text)
    for (const place of ['1:9', '3:8', '4:14']) expect(said).toContain(`${file}:${place}`)
    expect((await serve('cas', text, '--debug')).said).toMatch(stack)
  })

  test.each([
    ['cas', '/proc/nope/store', 2],
    ['cas', '/sys/nope', 7],
    ['worker', '/proc/nope', 2],
    ['worker', '/dev/null/worker', 2],
  ])('%s: the folder %s, which cannot be, ends it with %i', async (role, folder, code) => {
    const settings =
      role === 'cas'
        ? `listen: 127.0.0.1:0\nstore: {kind: disk, path: ${folder}, size: 1GB}\n`
        : `scheduler: grpc://127.0.0.1:1\ncas: grpc://127.0.0.1:1\ndirectory: ${folder}\n`
    const { exitCode, said } = await serve(role, settings)
    expect(said).toContain(folder)
    expect(said).toContain('→ C')
    expect(said).not.toMatch(stack)
    expect(exitCode).toBe(code)
  })

  const roles = {
    cas: `listen: 127.0.0.1:0\n${store}\n`,
    scheduler: 'listen: 127.0.0.1:0\ncas: grpc://127.0.0.1:1\n',
    worker: 'scheduler: grpc://127.0.0.1:1\ncas: grpc://127.0.0.1:1\ndirectory: work\n',
    console: 'listen: 127.0.0.1:0\ncas: grpc://127.0.0.1:1\npath: history\n',
  }
  describe('an address that another program uses ends it, naming the address', () => {
    const taken = createServer()
    let address: string
    beforeAll(async () => {
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
      address = `127.0.0.1:${(taken.address() as AddressInfo).port}`
    })
    afterAll(() => taken.close())

    test.each(Object.entries(roles))('%s: for its metrics', async (role, text) => {
      const { exitCode, said } = await serve(role, `${text}metrics: {listen: "${address}"}\n`)
      expect({ exitCode, said }).toEqual({ exitCode: 5, said: expect.stringContaining(address) })
      expect(said).not.toMatch(stack)
    })

    test.each(['cas', 'scheduler', 'console'] as const)('%s: for its clients', async (role) => {
      const { exitCode, said } = await serve(role, roles[role].replace('127.0.0.1:0', `"${address}"`))
      expect({ exitCode, said }).toEqual({ exitCode: 5, said: expect.stringContaining(address) })
    })
  })

  test('a file that is not there, a flag that is not there', async () => {
    for (const [args, code] of [
      [['serve', 'cas', '--config', '/no/such/file.yaml'], 3],
      [['serve', 'cas'], 2],
      [['serve', 'cas', '--nonsense'], 2],
    ] as const) {
      const { exitCode, stdout, stderr } = await native.run(...args)
      expect(exitCode).toBe(code)
      expect(stdout + stderr).not.toMatch(stack)
    }
  })
})
