import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { parsePublicKey } from '../../src/trust/keys.ts'
import { parseRoot, shippedRoot } from '../../src/trust/root.ts'
import { startDeployment } from './fixture/deployment.ts'

const pem = (key: ReturnType<typeof generateKeyPairSync>['publicKey']) =>
  key.export({ type: 'spki', format: 'pem' }).toString()

describe('the trusted root', () => {
  it('of the public instance comes with the package, and needs no network', () => {
    const { material } = shippedRoot()
    expect(material.certificateAuthorities.length).toBeGreaterThan(0)
    expect(material.tlogs.map((each) => each.baseURL)).toContain('https://rekor.sigstore.dev')
    expect(material.ctlogs.length).toBeGreaterThan(0)
  })

  it('of a private deployment is a file', async () => {
    const { rootText } = await startDeployment()
    expect(parseRoot(rootText, 'trusted_root.json').material.tlogs).toHaveLength(1)
  })

  it('that is none is refused, with the file’s name', async () => {
    const { rootText } = await startDeployment()
    const empty = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
    const cut = rootText.replace(/"rawBytes":"[^"]{20}/, '"rawBytes":"')
    for (const text of ['', 'null', '{}', empty, rootText.slice(0, -2), cut, ' '.repeat(2 ** 21)]) {
      const read = () => parseRoot(text, 'trusted_root.json')
      expect(read).toThrow(Failure)
      expect(read).toThrow(expect.objectContaining({ kind: 'invalid', where: 'trusted_root.json' }))
    }
  })
})

describe('a public key', () => {
  it('may be of the kinds that sign images', () => {
    for (const { publicKey } of [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('ec', { namedCurve: 'P-521' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ed25519'),
    ])
      expect(parsePublicKey(pem(publicKey), 'x').fingerprint).toMatch(/^[0-9a-f]{64}$/)
  })

  it('of another kind, a weak one, a private one, two in one file and a certificate are refused', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    for (const text of [
      pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
      pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
      pem(generateKeyPairSync('x25519').publicKey),
      privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      `${pem(generateKeyPairSync('ed25519').publicKey)}${pem(generateKeyPairSync('ed25519').publicKey)}`,
      '',
    ])
      expect(() => parsePublicKey(text, 'cosign.pub')).toThrow(
        expect.objectContaining({ kind: 'invalid', where: 'cosign.pub' }),
      )
  })
})
