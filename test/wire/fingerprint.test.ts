import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { getCACertificates } from 'node:tls'
import { execa } from 'execa'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listen } from '../../src/wire/server.ts'
import { certificateBy, fingerprintOf, isSignedByTrusted, parseFingerprint } from '../../src/wire/tls/fingerprint.ts'
import { ensureOwnCertificates, ownCertificates } from '../../src/wire/tls/own-certificates.ts'
import { openServerTls } from '../../src/wire/tls/server-tls.ts'
import { makeAuthority } from '../fixture/certificates.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const signal = () => AbortSignal.timeout(30_000)

/** A server with these files; its address. */
async function served(files: { readonly cert: string; readonly key: string }): Promise<string> {
  const tls = await openServerTls(files, quietLog)
  const server = await listen([], { address: '127.0.0.1:0', log: quietLog, tls })
  onTestFinished(async () => {
    await server.close()
    tls.close()
  })
  return `grpcs://${server.address}`
}

async function fingerprintIn(file: string): Promise<string> {
  return fingerprintOf(new X509Certificate(await readFile(file)))
}

describe('a certificate by its fingerprint', () => {
  test('is the authority’s, which a server with certificates of its own shows', async () => {
    const folder = join(await testFolder(), 'tls')
    await ensureOwnCertificates(folder, ['127.0.0.1'])
    const { ca, server } = ownCertificates(folder)
    const url = await served(server)
    const found = await certificateBy(await fingerprintIn(ca), url, signal())
    expect(found).toEqual({ pem: await readFile(ca, 'utf8').then((text) => text.trimEnd().concat('\n')), isOwn: false })
  })

  test('is the server’s own where it shows no other', async () => {
    const authority = await makeAuthority()
    onTestFinished(() => authority.remove())
    const files = await authority.issue('server')
    const url = await served(files)
    const own = await fingerprintIn(files.cert)
    const another = await fingerprintIn(authority.ca)
    expect(await certificateBy(own, url, signal())).toMatchObject({ isOwn: true })
    await expect(certificateBy(another, url, signal())).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('not the one that issued the invitation'),
      next: [expect.stringContaining(own), expect.anything()],
    })
  })

  test('cannot be had of a server without TLS, nor of none', async () => {
    const server = await listen([], { address: '127.0.0.1:0', log: quietLog })
    const fingerprint = `sha256:${'0'.repeat(64)}`
    await expect(certificateBy(fingerprint, `grpcs://${server.address}`, signal())).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('does not speak TLS'),
    })
    await server.close()
    await expect(certificateBy(fingerprint, `grpcs://${server.address}`, signal())).rejects.toMatchObject({
      kind: 'unavailable',
    })
  })

  test('is taken as openssl writes it', async () => {
    const authority = await makeAuthority()
    onTestFinished(() => authority.remove())
    const { stdout } = await execa('openssl', ['x509', '-in', authority.ca, '-noout', '-fingerprint', '-sha256'])
    const [, text] = stdout.split('=')
    expect(parseFingerprint(`SHA256:${text}`, '--ca')).toBe(await fingerprintIn(authority.ca))
    for (const wrong of ['', 'sha256:', 'sha256:abcd', `md5:${'0'.repeat(64)}`, `sha256:${'0'.repeat(65)}`])
      expect(() => parseFingerprint(wrong, '--ca')).toThrow('expected a fingerprint')
  })
})

describe('whom every machine trusts', () => {
  test('is an authority that comes with Node', () => {
    const [root = ''] = getCACertificates('bundled')
    expect(isSignedByTrusted(new X509Certificate(root))).toBe(true)
  })

  test('is none that this machine alone was told of', async () => {
    const authority = await makeAuthority()
    onTestFinished(() => authority.remove())
    const program = `
      const { X509Certificate } = await import('node:crypto')
      const { isSignedByTrusted } = await import(${JSON.stringify(resolve('src/wire/tls/fingerprint.ts'))})
      const pem = (await import('node:fs')).readFileSync(process.argv[1])
      console.log(isSignedByTrusted(new X509Certificate(pem)))`
    const env = { NODE_EXTRA_CA_CERTS: authority.ca, SSL_CERT_FILE: authority.ca }
    const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', program, authority.ca], { env })
    expect(stdout).toBe('false')
  })
})
