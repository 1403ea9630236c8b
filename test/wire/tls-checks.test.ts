import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { ensureOwnCertificates, ownCertificates } from '../../src/wire/tls/own-certificates.ts'
import { openServerTls, type ServerTls } from '../../src/wire/tls/server-tls.ts'
import { quietLog } from '../fixture/quiet-log.ts'

// What scanners such as testssl.sh look for in a server, by openssl.

let server: RpcServer
let tls: ServerTls
let connect: string[]
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-tls-'))
  await ensureOwnCertificates(folder, ['127.0.0.1'])
  const { ca, server: files } = ownCertificates(folder)
  tls = await openServerTls(files, quietLog)
  server = await listen([], { address: '127.0.0.1:0', log: quietLog, tls })
  connect = ['s_client', '-connect', server.address, '-CAfile', ca, '-verify_return_error', '-alpn', 'h2']
})
afterAll(async () => {
  await server.close()
  tls.close()
  await rm(folder, { recursive: true, force: true })
})

async function handshake(...args: string[]) {
  const { exitCode, all } = await execa('openssl', [...connect, ...args], { reject: false, all: true, input: '' })
  return { exitCode, all }
}

describe('a server with TLS', () => {
  test.each(['-tls1_2', '-tls1_3'])('is spoken to with %s, in HTTP/2, without compression', async (version) => {
    const { exitCode, all } = await handshake(version)
    expect(exitCode, all).toBe(0)
    expect(all).toContain('Verify return code: 0 (ok)')
    expect(all).toContain('ALPN protocol: h2')
    expect(all).toContain('Compression: NONE')
    // A key that is found out later opens nothing that was recorded before.
    expect(all).toMatch(/(?:Server|Peer) Temp Key: (?:X25519|ECDH|X25519MLKEM768)/)
  })

  test.each(['-tls1', '-tls1_1'])('speaks no %s', async (version) => {
    const { exitCode, all } = await handshake(version, '-cipher', 'ALL:@SECLEVEL=0')
    expect(exitCode, all).not.toBe(0)
    expect(all).toContain('alert protocol version')
  })

  test.each([
    ['no encryption', 'eNULL'],
    ['no authentication', 'aNULL'],
    ['RC4', 'RC4'],
    ['triple DES', '3DES'],
    ['keys for export', 'EXPORT'],
    ['MD5', 'MD5'],
    ['keys without forward secrecy', 'kRSA'],
  ])('takes no ciphers with %s', async (_, cipher) => {
    const { exitCode, all } = await handshake('-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`)
    expect(exitCode, all).not.toBe(0)
    // OpenSSL itself has long forgotten some of them.
    expect(all).toMatch(/no cipher match|no ciphers available|handshake failure/)
  })

  test('does not begin a handshake again because a client wants to', async () => {
    const client = spawn('openssl', [...connect, '-tls1_2'], { stdio: 'pipe' })
    let said = ''
    for (const stream of [client.stdout, client.stderr]) stream.on('data', (text) => (said += String(text)))
    const ended = once(client, 'exit')
    await expect.poll(() => said).toContain('Verify return code: 0 (ok)')
    expect(said).toContain('Secure Renegotiation IS supported')
    // openssl's word for it.
    client.stdin.write('R\n')
    await expect.poll(() => said).toContain('no renegotiation')
    client.kill()
    await ended
  })
})
