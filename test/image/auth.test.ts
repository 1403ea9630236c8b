import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { findLogin, type LoginPlaces } from '../../src/image/auth.ts'
import { runHelper } from '../../src/image/credential-helper.ts'
import type { Credentials } from '../../src/image/credentials.ts'
import { parseChallenges } from '../../src/image/media/registry/challenge.ts'
import { secret } from '../../src/image/secret.ts'
import { testFolder } from '../fixture/folder.ts'

const b64 = (text: string): string => Buffer.from(text).toString('base64')

async function places(files: Record<string, object>, changes: Partial<LoginPlaces> = {}): Promise<LoginPlaces> {
  const home = await testFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(home, name, '..'), { recursive: true })
    await writeFile(join(home, name), JSON.stringify(content))
  }
  return {
    home,
    env: { XDG_RUNTIME_DIR: join(home, 'run') },
    runHelper: async () => ({ exitCode: 1, stdout: '', missing: true }),
    ...changes,
  }
}

const shown = (found: Credentials | null): string =>
  found === null
    ? 'none'
    : found.kind === 'password'
      ? `${found.user}:${found.password.reveal()}`
      : `${found.kind} ${found.token.reveal()}`

describe('logins', () => {
  it('are found in the order of containers-auth.json(5)', async () => {
    const auths = (user: string) => ({ auths: { 'host.example': { auth: b64(`${user}:x`) } } })
    const files = {
      'run/containers/auth.json': auths('runtime'),
      '.config/containers/auth.json': auths('config'),
      '.docker/config.json': auths('docker'),
    }
    for (const [name, user] of [
      ['run/containers/auth.json', 'runtime'],
      ['.config/containers/auth.json', 'config'],
      ['.docker/config.json', 'docker'],
    ] as const) {
      expect(shown(await findLogin(await places(files), 'host.example', 'app'))).toBe(`${user}:x`)
      delete (files as Record<string, object>)[name]
    }
    expect(await findLogin(await places(files), 'host.example', 'app')).toBeNull()
  })

  it.each([
    ['host.example', 'team/app', 'all:x'],
    ['host.example', 'team/deep/app', 'deep:x'],
    ['other.example:5000', 'app', 'other:y:z'],
    ['docker.io', 'library/app', 'hub:x'],
    ['none.example', 'app', 'none'],
    ['token.example', 'app', 'identity-token t'],
    ['bearer.example', 'app', 'registry-token r'],
    ['empty.example', 'app', 'none'],
  ])('of %s/%s are %s', async (registry, repository, login) => {
    const auths = {
      'host.example': { auth: b64('all:x') },
      'host.example/team/deep': { auth: b64('deep:x') },
      'https://other.example:5000/v2/': { auth: b64('other:y:z') },
      'https://index.docker.io/v1/': { auth: b64('hub:x') },
      'token.example': { auth: b64('ignored:x'), identitytoken: 't' },
      'bearer.example': { registrytoken: 'r' },
      'empty.example': {},
    }
    expect(shown(await findLogin(await places({ '.docker/config.json': { auths } }), registry, repository))).toBe(login)
  })

  it('come from a helper before the store before the file', async () => {
    const asked: string[] = []
    const run: LoginPlaces['runHelper'] = async (program, host) => {
      asked.push(`${program} ${host}`)
      if (program.endsWith('-absent'))
        return { exitCode: 1, stdout: 'credentials not found in native keychain\n', missing: false }
      return { exitCode: 0, stdout: JSON.stringify({ Username: '<token>', Secret: 's' }), missing: false }
    }
    const file = {
      credHelpers: { 'a.example': 'special', 'b.example': 'absent' },
      credsStore: 'store',
      auths: { 'a.example': { auth: b64('file:x') } },
    }
    const at = await places({ '.docker/config.json': file }, { runHelper: run })
    expect(shown(await findLogin(at, 'a.example', 'app'))).toBe('identity-token s')
    await findLogin(at, 'b.example', 'app')
    expect(asked).toEqual([
      'docker-credential-special a.example',
      'docker-credential-absent b.example',
      'docker-credential-store b.example',
    ])
  })

  it('of a helper that is not there or fails end with how to cure it, without its output', async () => {
    const file = { credsStore: 'nosuch-helper-here' }
    const at = await places({ '.docker/config.json': file }, { runHelper })
    await expect(findLogin(at, 'a.example', 'app')).rejects.toMatchObject({
      kind: 'program',
      next: [expect.stringContaining('docker-credential-nosuch-helper-here')],
    })
    const failing = { ...at, runHelper: async () => ({ exitCode: 1, stdout: 'hunter2', missing: false }) }
    const error: unknown = await findLogin(failing, 'a.example', 'app').catch((error: unknown) => error)
    expect(inspect(error)).not.toContain('hunter2')
  })

  it.each([[{ auths: { 'h.example': { auth: 'nocolon' } } }], [{ auths: [] }], [{ credsStore: '../../bin/sh' }]])(
    'in a malformed file %j are refused',
    async (file) => {
      const at = await places({ '.docker/config.json': file })
      await expect(findLogin(at, 'h.example', 'app')).rejects.toMatchObject({ kind: 'invalid' })
    },
  )

  it('in a file or an answer that is not JSON are not quoted by the error, at any depth', async () => {
    const at = await places({ '.docker/config.json': {} })
    const authFile = join(at.home, 'broken.json')
    await writeFile(authFile, '{"auths":{"h.example":{"auth":"hunter2"x}}}')
    const helperFile = join(at.home, 'helper.json')
    await writeFile(helperFile, '{"credsStore":"bare"}')
    const bare: LoginPlaces['runHelper'] = async () => ({ exitCode: 0, stdout: 'hunter2', missing: false })
    for (const tried of [
      { ...at, authFile },
      { ...at, authFile: helperFile, runHelper: bare },
    ]) {
      const error: unknown = await findLogin(tried, 'h.example', 'app').catch((error: unknown) => error)
      expect(error).toMatchObject({ name: 'Failure', kind: 'invalid' })
      expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain('hunter2')
    }
  })

  it('of --authfile are the only ones, and it has to be there', async () => {
    const at = await places({ '.docker/config.json': { auths: { 'h.example': { auth: b64('a:b') } } } })
    await expect(findLogin({ ...at, authFile: join(at.home, 'none.json') }, 'h.example', 'app')).rejects.toMatchObject({
      kind: 'not-found',
    })
  })

  it('are not shown by printing what holds them', () => {
    const held = { kind: 'password', user: 'u', password: secret('hunter2') }
    for (const text of [inspect(held, { depth: 9, showHidden: true }), JSON.stringify(held), `${held.password}`])
      expect(text).not.toContain('hunter2')
  })
})

describe('a challenge', () => {
  it.each([
    [
      'Bearer realm="https://a/t",service="s, x",scope="repository:a/b:pull"',
      [['bearer', { realm: 'https://a/t', service: 's, x', scope: 'repository:a/b:pull' }]],
    ],
    ['Basic realm="a \\"b\\""', [['basic', { realm: 'a "b"' }]]],
    [
      'basic realm=plain, Bearer realm="x"',
      [
        ['basic', { realm: 'plain' }],
        ['bearer', { realm: 'x' }],
      ],
    ],
    ['Negotiate', [['negotiate', {}]]],
    [
      'Negotiate, Basic realm="r"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'r' }],
      ],
    ],
    [
      'Negotiate YIIJvwYGKwYBBQUCoIIJ+/=, NTLM , Basic realm="a, b", Bearer realm="x" , service = "y"',
      [
        ['negotiate', {}],
        ['ntlm', {}],
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'x', service: 'y' }],
      ],
    ],
    [
      ', Digest realm="d", qop="auth, auth-int", nonce=abc==, Basic',
      [
        ['digest', { realm: 'd', qop: 'auth, auth-int' }],
        ['basic', {}],
      ],
    ],
    ['Basic realm="never ended', [['basic', {}]]],
    ['', []],
    ['"""', []],
  ])('%j', (header, expected) => {
    expect(parseChallenges(header).map((each) => [each.scheme, Object.fromEntries(each.parameters)])).toEqual(expected)
  })
})
