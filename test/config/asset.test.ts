import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { casConfig } from '../../src/config/cas.ts'
import { loadCertificates } from '../../src/config/certificates.ts'
import { deploymentConfig } from '../../src/config/deployment.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { testFolder } from '../fixture/folder.ts'

const base = 'listen: 127.0.0.1:0\nstore: { kind: memory, size: 1GB }\n'
const assetOf = (text: string) => parseConfig(base + text, 'cas.yaml', casConfig).asset

test('fetching is on, and allows no host of a private network', () => {
  expect(assetOf('')).toEqual({ fetch: 'on', allow: [], timeout: { default: 600_000, max: 3_600_000 } })
})

test('on and off are words in YAML, and hosts are taken in lower case', () => {
  expect(assetOf('asset: { fetch: off, allow: [Mirror.example.com, 10.0.0.0/8], timeout: { max: 2h } }')).toEqual({
    fetch: 'off',
    allow: ['mirror.example.com', '10.0.0.0/8'],
    timeout: { default: 600_000, max: 7_200_000 },
  })
})

test.each(['http://a', 'a:80', '10.0.0.0/99', ''])('"%s" is not a host, and that is told with its place', (host) => {
  expect(() => assetOf(`asset:\n  allow:\n    - ok\n    - "${host}"\n`)).toThrow(/expected a host/)
})

test('a deployment may have these settings', () => {
  const text = 'cas:\n  asset: { allow: [mirror.example.com, 10.1.0.0/16] }\n'
  expect(parseConfig(text, 'd.yaml', deploymentConfig).cas).toEqual({
    asset: { allow: ['mirror.example.com', '10.1.0.0/16'] },
  })
})

test('a file without certificates is told, and so is one that is not there', async () => {
  const file = join(await testFolder(), 'ca.pem')
  await expect(loadCertificates(file)).rejects.toMatchObject({ kind: 'not-found', where: file })
  for (const text of ['', 'hello', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    writeFileSync(file, text)
    await expect(loadCertificates(file)).rejects.toMatchObject({ kind: 'invalid', where: file })
  }
})
