import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { namedCertificates, trustedCertificates } from '../../src/image/network/certificates.ts'
import { testFolder } from '../fixture/folder.ts'
import { serve } from '../fixture/registry/serve.ts'

const room = new URL('../../src/image/media/registry/', import.meta.url)

/** Asks over TLS as a process of its own: Node reads NODE_EXTRA_CA_CERTS once, when it starts. */
const asking = `
  import { namedCertificates, trustedCertificates } from ${JSON.stringify(new URL('../../network/certificates.ts', room))}
  import { openHttp } from ${JSON.stringify(new URL('http.ts', room))}
  const [home, url] = process.argv.slice(1)
  const ca = await trustedCertificates('host.example', { home, env: process.env })
  const http = openHttp({ tlsVerify: true, idleMsMax: 30_000, wholeMsMax: 30_000, env: process.env, ca })
  const answer = await http.exchange({ method: 'GET', url: new URL(url), headers: {} }, new AbortController().signal)
  console.log(ca !== undefined, answer.status)
  http.close()`

async function homeWith(certificate: string): Promise<string> {
  const home = await testFolder()
  const file = join(home, '.config/containers/certs.d/host.example/ca.crt')
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, certificate)
  return home
}

describe('the authorities of a registry', () => {
  it('are none of its own without a folder in certs.d', async () => {
    expect(await trustedCertificates('host.example', { home: await testFolder(), env: {} })).toBeUndefined()
  })

  it('are those of its folder in certs.d, beside the ones that Node brings', async () => {
    const trusted = await trustedCertificates('host.example', { home: await homeWith('its own'), env: {} })
    expect(trusted).toContain('its own')
    expect(trusted).toContain(rootCertificates[0])
  })

  it('do not switch NODE_EXTRA_CA_CERTS off', async () => {
    const served = await serve((_, response) => response.end(), { tls: true })
    // One that has signed nothing here.
    const home = await homeWith(rootCertificates[0] ?? '')
    const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', asking, home, served.url], {
      env: { NODE_EXTRA_CA_CERTS: served.certificate },
    })
    expect(stdout).toBe('true 200')
  })

  it.each([
    ['SSL_CERT_FILE', (file: string) => ({ SSL_CERT_FILE: file })],
    ['SSL_CERT_DIR', (file: string) => ({ SSL_CERT_DIR: dirname(file) })],
    ['the second folder of SSL_CERT_DIR', (file: string) => ({ SSL_CERT_DIR: `/none:${dirname(file)}` })],
    [
      'SSL_CERT_DIR beside a file that is not there',
      (file: string) => ({ SSL_CERT_FILE: '/none', SSL_CERT_DIR: dirname(file) }),
    ],
  ])('are those of %s', async (_, env) => {
    const served = await serve((_, response) => response.end(), { tls: true })
    const arguments_ = ['--input-type=module', '--eval', asking, await testFolder(), served.url]
    const { stdout } = await execa(process.execPath, arguments_, { env: env(served.certificate ?? '') })
    expect(stdout).toBe('true 200')
    await expect(execa(process.execPath, arguments_)).rejects.toMatchObject({
      stderr: expect.stringContaining('is not trusted'),
    })
  })

  it('are none of what is not a certificate', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'notes.txt'), 'nothing')
    expect(await namedCertificates({ SSL_CERT_DIR: folder, SSL_CERT_FILE: folder })).toEqual([])
  })
})
