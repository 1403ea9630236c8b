import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createJwtVerifier, type IssuerSettings } from '../../src/access/jwt.ts'
import { deploymentConfig } from '../../src/config/deployment.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { readDocuments } from '../fixture/documents.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { basic, codeOf, guardedServer, testDoor } from './fixture.ts'

const issuer = 'https://token.actions.githubusercontent.com'
const nowMs = Date.parse('2026-11-29T12:00:00Z')
const grants: IssuerSettings['grants'] = [
  { when: { repository: 'acme/app', ref: 'refs/heads/main' }, role: 'writer' },
  { when: { repository: ['acme/app', 'acme/lib'] }, role: 'reader', instances: ['main'] },
]

/** An issuer that serves its keys, and what it was asked. */
async function createIssuer() {
  const keys: object[] = []
  const state = { asked: 0, away: false }
  const server = createServer((_, response) => {
    state.asked += 1
    if (state.away) response.writeHead(503).end()
    else response.end(JSON.stringify({ keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`

  async function newKey(kid: string, alg: 'RS256' | 'ES256' | 'EdDSA' = 'ES256') {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
    return { kid, alg, publicKey, privateKey }
  }

  const clock = manualClock(nowMs)
  const settings: IssuerSettings = { issuer, audience: ['native', 'other'], jwks, grants }
  return { keys, state, newKey, clock, settings, verifier: createJwtVerifier([settings], clock, quietLog) }
}

type Key = Awaited<ReturnType<Awaited<ReturnType<typeof createIssuer>>['newKey']>>

/** A claim that is undefined is left out. */
type Claims = { readonly [claim: string]: unknown }

const claims = {
  iss: issuer,
  aud: 'native',
  sub: 'repo:acme/app:ref:refs/heads/main',
  repository: 'acme/app',
  ref: 'refs/heads/main',
}

function signed({ privateKey, kid, alg }: Key, more: Claims = {}, header: object = {}): Promise<string> {
  return new SignJWT({ ...claims, nbf: nowMs / 1000, exp: nowMs / 1000 + 300, ...more } as JWTPayload)
    .setProtectedHeader({ alg, kid, ...header })
    .sign(privateKey)
}

describe('a JSON Web Token', () => {
  test.each(['RS256', 'ES256', 'EdDSA'] as const)('signed with %s says what it is good for', async (alg) => {
    const { newKey, verifier } = await createIssuer()
    const key = await newKey('one', alg)
    expect(await verifier.verify(await signed(key))).toEqual({
      subject: claims.sub,
      untilMs: nowMs + 360_000,
      grant: grants[0],
    })
    expect(await verifier.verify(await signed(key, { ref: 'refs/pull/7/merge' }))).toMatchObject({ grant: grants[1] })
    expect(await verifier.verify(await signed(key, { repository: 'evil/app' }))).toMatchObject({ grant: undefined })
    // A claim that is a list has one of what is wanted.
    expect(await verifier.verify(await signed(key, { repository: ['x', 'acme/lib'] }))).toMatchObject({
      grant: grants[1],
    })
  })

  test('that is not as it has to be is refused with a reason', async () => {
    const { newKey, verifier } = await createIssuer()
    const key = await newKey('one')
    const other = await newKey('two')
    const seconds = nowMs / 1000
    const refused = async (more: Claims) => verifier.verify(await signed(key, more))
    expect(await refused({ exp: seconds - 61 })).toBe('it has expired')
    expect(await refused({ exp: seconds - 59 })).toMatchObject({ grant: grants[0] })
    expect(await refused({ nbf: seconds + 61 })).toContain('"nbf"')
    expect(await refused({ nbf: seconds + 59 })).toMatchObject({ grant: grants[0] })
    expect(await refused({ aud: 'somebody else' })).toContain('"aud"')
    expect(await refused({ aud: undefined })).toContain('"aud"')
    expect(await refused({ exp: undefined })).toContain('"exp"')
    expect(await refused({ iss: 'https://evil.example' })).toContain('issuer')
    // Signed with a key of the issuer, under the name of another.
    expect(await verifier.verify(await signed({ ...other, kid: 'one' }))).toBe('its signature is wrong')
    expect(await verifier.verify('eyJhbGciOiJFUzI1NiJ9.bm9uc2Vuc2U.x')).toBe('this server does not know its issuer')
  })

  test('without a signature, or with one made with a public key as a secret, is refused', async () => {
    const { newKey, verifier } = await createIssuer()
    const key = await newKey('one', 'RS256')
    const none = new UnsecuredJWT({ ...claims, exp: nowMs / 1000 + 300 }).encode()
    expect(await verifier.verify(none)).toBeTypeOf('string')
    for (const secret of [await exportSPKI(key.publicKey), JSON.stringify(await exportJWK(key.publicKey))]) {
      const confused = await new SignJWT({ ...claims, exp: nowMs / 1000 + 300 })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(Buffer.from(secret))
      expect(await verifier.verify(confused)).toContain('its algorithm is not one of')
    }
    // A key that the token brings along is not taken.
    const stranger = { ...(await (await createIssuer()).newKey('mine', 'RS256')), kid: 'one' }
    const brought = await signed(stranger, {}, { jwk: await exportJWK(stranger.publicKey), jku: 'http://127.0.0.1:1/' })
    expect(await verifier.verify(brought)).toBe('its signature is wrong')
  })

  test('with a new key is known after one look, and rubbish does not make us look again', async () => {
    const { newKey, verifier, state, clock, keys } = await createIssuer()
    const old = await newKey('old')
    expect(await verifier.verify(await signed(old))).toMatchObject({ grant: grants[0] })
    expect(state.asked).toBe(1)
    const fresh = await newKey('fresh')
    clock.advance(30_000)
    expect(await verifier.verify(await signed(fresh))).toMatchObject({ grant: grants[0] })
    expect(state.asked).toBe(2)
    for (let at = 0; at < 20; at += 1) await verifier.verify(await signed({ ...old, kid: `rubbish-${at}` }))
    expect(state.asked).toBe(2)
    // While the issuer is away, what is known counts.
    state.away = true
    clock.advance(240_000)
    expect(await verifier.verify(await signed(fresh))).toMatchObject({ grant: grants[0] })
    // A key that was withdrawn is forgotten in time.
    state.away = false
    keys.shift()
    clock.advance(600_000)
    const later = { exp: clock.now() / 1000 + 300 }
    expect(await verifier.verify(await signed(old, later))).toBe('its key does not belong to its issuer')
    expect(await verifier.verify(await signed(fresh, later))).toMatchObject({ grant: grants[0] })
  })

  test('opens the door as Bearer and as a password, and closes it with its claims', async () => {
    const { newKey, settings } = await createIssuer()
    const key = await newKey('one')
    const { door } = await testDoor({ anonymous: 'none', jwt: [settings] })
    const method = 'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult'
    const server = await guardedServer(
      [
        {
          name: 'build.bazel.remote.execution.v2.ActionCache',
          methods: { UpdateActionResult: { kind: 'unary', handle: () => Buffer.alloc(0) } },
        },
      ],
      door,
    )
    const ask = (authorization: string) => codeOf(server.as(authorization).unary(method, Buffer.alloc(3_000_000)))
    const times = { nbf: Date.now() / 1000, exp: Date.now() / 1000 + 300 }
    const main = await signed(key, times)
    expect(await ask(`Bearer ${main}`)).toBe(0)
    expect(await ask(basic('x', main))).toBe(0)
    expect(await ask(`Bearer ${await signed(key, { ...times, ref: 'refs/pull/7/merge' })}`)).toBe(7)
    expect(await ask(`Bearer ${await signed(key, { ...times, repository: 'evil/app' })}`)).toBe(7)
    expect(await ask(`Bearer ${await signed(key, { ...times, exp: 1 })}`)).toBe(16)
  })
})

// The claims that the two issuers put into the tokens of jobs, by their documentation.
const github = { iss: 'https://token.actions.githubusercontent.com', repository: 'acme/app', repository_owner: 'acme' }
const gitlab = { iss: 'https://gitlab.com', project_path: 'acme/app', namespace_path: 'acme', ref_type: 'branch' }

describe('the example of docs/team.md for jobs of CI', () => {
  test.each([
    ['a push to main', 'writer', { ...github, ref: 'refs/heads/main', event_name: 'push' }],
    ['a schedule', 'writer', { ...github, ref: 'refs/heads/main', event_name: 'schedule' }],
    ['a pull request', 'reader', { ...github, ref: 'refs/pull/7/merge', event_name: 'pull_request' }],
    [
      'one with the rights of main',
      undefined,
      { ...github, ref: 'refs/heads/main', event_name: 'pull_request_target' },
    ],
    ['a push to a branch', undefined, { ...github, ref: 'refs/heads/try', event_name: 'push' }],
    ['a fork', undefined, { ...github, repository: 'evil/app', ref: 'refs/heads/main', event_name: 'push' }],
    ['a push to main', 'writer', { ...gitlab, ref: 'main', ref_protected: 'true', pipeline_source: 'push' }],
    [
      'a merge request',
      'reader',
      { ...gitlab, ref: 'x', ref_protected: 'false', pipeline_source: 'merge_request_event' },
    ],
    ['main unprotected', undefined, { ...gitlab, ref: 'main', ref_protected: 'false', pipeline_source: 'push' }],
    ['a tag', undefined, { ...gitlab, ref_type: 'tag', ref: 'main', ref_protected: 'true', pipeline_source: 'push' }],
    ['a fork', undefined, { ...gitlab, project_path: 'evil/app', ref: 'main', ref_protected: 'true' }],
    ['one issuer as the other', undefined, { ...gitlab, iss: github.iss, ref: 'main', ref_protected: 'true' }],
  ])('%s: %s', async (_what, role, more) => {
    const { newKey, settings, clock } = await createIssuer()
    const text = (await readDocuments()).blocks.find(({ mark }) => mark === 'ci.yaml')?.text ?? ''
    const { access } = parseConfig(text, 'docs/team.md', deploymentConfig)
    const issuers = typeof access === 'object' ? access.jwt : []
    expect(issuers).toHaveLength(2)
    // Their keys alone are this test's own.
    const known = issuers.map((each) => ({ ...each, jwks: settings.jwks }))
    const verifier = createJwtVerifier(known, clock, quietLog)
    const key = await newKey('one', 'RS256')
    const verified = await verifier.verify(await signed(key, { repository: undefined, ...more }))
    expect(typeof verified === 'string' ? verified : verified.grant?.role).toBe(role)
  })
})
