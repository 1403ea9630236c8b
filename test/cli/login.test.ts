import { describe, expect, onTestFinished, test } from 'vitest'
import { assertTaken, serverUrl } from '../../src/cli/login.ts'
import { isReadable } from '../../src/core/address.ts'
import { guardedServer, testDoor, testTokens } from '../access/fixture.ts'
import { openTestConsole } from '../console/fixture.ts'
import { testFolder } from '../fixture/folder.ts'

test.each([
  ['build.example.com:50052', 'grpc://build.example.com:50052', true],
  ['http://10.0.0.7:1', 'grpc://10.0.0.7:1', true],
  ['grpcs://build.example.com', 'grpcs://build.example.com:443', false],
  ['https://build.example.com:50051', 'grpcs://build.example.com:50051', false],
  ['localhost:50052', 'grpc://localhost:50052', false],
  ['[::1]:50052', 'grpc://[::1]:50052', false],
] as const)('%s is %s, and a token on its way there can be read: %s', (text, url, readable) => {
  expect(serverUrl(text)).toBe(url)
  expect(isReadable(serverUrl(text))).toBe(readable)
})

test.each(['unix:/run/native.sock', 'build.example.com:0', 'ftp://build.example.com', ''])(
  '"%s" is refused',
  (text) => {
    expect(() => serverUrl(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  },
)

describe('a console', () => {
  async function taken(role: 'reader' | 'runner' | 'worker', instances?: string[]) {
    const { file, tokens } = await testTokens({ name: 'ci', role, ...(instances && { instances }) })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const town = openTestConsole({ folder: await testFolder() })
    onTestFinished(() => town.close())
    const { address } = await guardedServer(town.console.services, door)
    return await assertTaken({ url: `grpc://${address}` }, tokens[0] ?? '', new AbortController().signal)
  }

  test('takes a token for everything', async () => {
    expect(await taken('reader')).toBe('everything')
  })

  test('takes one that is limited to instances for what its builds tell', async () => {
    expect(await taken('runner', ['ci'])).toBe('events of builds')
  })

  test('refuses one that it takes for nothing, and says what to do', async () => {
    await expect(taken('reader', ['ci'])).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('without --instance'),
    })
    await expect(taken('worker')).rejects.toMatchObject({ kind: 'denied' })
  })
})
