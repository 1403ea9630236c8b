import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, expect, test, vi } from 'vitest'
import { ensureOwnCertificates, hostsOf, ownCertificates } from '../../src/wire/tls/own-certificates.ts'
import { testFolder } from '../fixture/folder.ts'

const dayMs = 86_400_000
afterEach(() => {
  vi.useRealTimers()
})

/** Only the date is moved: everything else runs as ever. */
function inDays(days: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * dayMs })
}

async function made(hosts: readonly string[] = ['127.0.0.1']) {
  const folder = join(await testFolder(), 'tls')
  const files = ownCertificates(folder)
  const ensure = async (listening = hosts) =>
    (await ensureOwnCertificates(folder, listening)).map((each) => each.slice(folder.length + 1))
  expect(await ensure()).toEqual(['ca.pem', 'server.pem', 'client.pem'])
  return { folder, files, ensure, server: async () => new X509Certificate(await readFile(files.server.cert)) }
}

test('an authority, a certificate for servers and one for clients are made, which openssl accepts', async () => {
  const { folder, files, server } = await made(['192.0.2.1'])
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  for (const [file, purpose] of [
    [files.server.cert, 'sslserver'],
    [files.client.cert, 'sslclient'],
  ] as const) {
    const { stdout } = await execa('openssl', [
      'verify',
      '-x509_strict',
      '-CAfile',
      files.ca,
      '-purpose',
      purpose,
      file,
    ])
    expect(stdout).toBe(`${file}: OK`)
  }
  const certificate = await server()
  for (const address of ['127.0.0.1', '::1', '192.0.2.1']) expect(certificate.checkIP(address)).toBe(address)
  for (const name of ['localhost', hostname()]) expect(certificate.checkHost(name)).toBe(name)
  expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
  const wrong = await execa('openssl', ['verify', '-CAfile', files.ca, '-purpose', 'sslserver', files.client.cert], {
    reject: false,
  })
  expect(wrong.exitCode).not.toBe(0)
})

test('what is there and good stays, through hosts that it is for', async () => {
  const { ensure, files } = await made()
  const before = await readFile(files.server.cert)
  expect(await ensure()).toEqual([])
  expect(await ensure(['::1'])).toEqual([])
  expect(await readFile(files.server.cert)).toEqual(before)
  expect(await ensure(['192.0.2.9'])).toEqual(['server.pem'])
})

test('certificates are made anew a month before they expire, the authority three', async () => {
  const { ensure, files } = await made()
  const authority = await readFile(files.ca, 'utf8')
  inDays(59)
  expect(await ensure()).toEqual([])
  inDays(2)
  expect(await ensure()).toEqual(['server.pem', 'client.pem'])
  expect(await readFile(files.ca, 'utf8')).toBe(authority)
  inDays(3650 - 89 - 61)
  expect(await ensure()).toEqual(['ca.pem', 'server.pem', 'client.pem'])
})

test('a clock that is put back by a year has certificates that are valid then', async () => {
  const { ensure, server } = await made()
  inDays(-365)
  expect(await ensure()).toEqual(['ca.pem', 'server.pem', 'client.pem'])
  expect((await server()).validFromDate.getTime()).toBeLessThan(Date.now())
})

test('what is damaged, lost or does not fit is made anew', async () => {
  const { ensure, files, folder } = await made()
  await truncate(files.server.cert, 100)
  expect(await ensure()).toEqual(['server.pem'])
  await unlink(files.client.key)
  expect(await ensure()).toEqual(['client.pem'])
  await writeFile(files.server.key, await readFile(files.client.key))
  expect(await ensure()).toEqual(['server.pem'])
  await truncate(join(folder, 'ca.key'), 0)
  expect(await ensure()).toEqual(['ca.pem', 'server.pem', 'client.pem'])
})

test('many who ask at once get one set', async () => {
  const folder = join(await testFolder(), 'tls')
  const all = await Promise.all(Array.from({ length: 5 }, () => ensureOwnCertificates(folder, [])))
  expect(all.flat()).toHaveLength(3)
})

test('a server on every address has a certificate for those of this machine', () => {
  const others = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
  const hosts = hostsOf(['0.0.0.0'])
  expect(hosts).toEqual(expect.arrayContaining(['localhost', ...others.map(({ address }) => address)]))
  expect(hosts).not.toContain('0.0.0.0')
})
