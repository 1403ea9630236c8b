import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { copyImage } from '../../src/image/copy.ts'
import { openDaemonDestination } from '../../src/image/media/daemon.ts'
import type { DaemonOptions } from '../../src/image/media/daemon-call.ts'
import { parseImageName } from '../../src/image/name.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { testFolder } from '../fixture/folder.ts'
import { type FixtureOptions, makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { selfSigned } from '../fixture/self-signed.ts'

const signal = new AbortController().signal

/**
 * Something that answers on a socket as a daemon would.
 * @param isAsked whether the listener is asked before anything is sent, as a daemon does that refuses
 */
async function socket(folder: string, listener: RequestListener, isAsked = false): Promise<string> {
  const server = createServer(listener)
  if (isAsked) server.on('checkContinue', listener)
  const path = join(folder, 'docker.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return `unix://${path}`
}

/** More than a socket takes before its other end reads. */
const largeImage: FixtureOptions = { files: [{ large: randomBytes(4_000_000).toString('hex') }] }

/** The same, with what the surroundings do not say. */
async function copyInto(folder: string, options: DaemonOptions) {
  await writeLayout(join(folder, 'in'), await makeImage())
  const source = await openSource(parseReference(`oci:${folder}/in`), testImageContext(folder))
  const destination = await openDaemonDestination(parseImageName('app:1'), options)
  const platform = { os: 'linux', architecture: 'amd64' }
  return copyImage(source, destination, { platform, preserveDigests: false, signal })
}

async function load(folder: string, dockerHost: string, image: FixtureOptions = {}) {
  await writeLayout(join(folder, 'in'), await makeImage(image))
  const around = testImageContext(folder, { dockerHost })
  const source = await openSource(parseReference(`oci:${folder}/in`), around)
  const destination = await openDestination(parseReference('docker-daemon:app:1'), around)
  const platform = { os: 'linux', architecture: 'amd64' }
  return copyImage(source, destination, { platform, preserveDigests: false, signal })
}

describe('a docker daemon', () => {
  it('that fails inside of a stream which began well is believed', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (request, response) => {
      request.resume()
      request.on('end', () =>
        response.end('{"stream":"Loading"}\n{"errorDetail":{"message":"no space left"},"error":"no space left"}\n'),
      )
    })
    await expect(load(folder, host)).rejects.toMatchObject({
      kind: 'precondition',
      message: expect.stringContaining('no space left'),
    })
    expect((await readdir(folder)).filter((each) => each.startsWith('native-docker'))).toEqual([])
  })

  it('that refuses is quoted', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (request, response) => {
      request.resume()
      request.on('end', () => response.writeHead(500).end('{"message":"out of order"}'))
    })
    await expect(load(folder, host)).rejects.toMatchObject({ message: expect.stringContaining('out of order') })
  })

  it('that is not there is told, with what needs none', async () => {
    const folder = await testFolder()
    await expect(load(folder, `unix://${folder}/none.sock`)).rejects.toMatchObject({
      kind: 'unavailable',
      next: [expect.stringContaining('DOCKER_HOST')],
    })
    await expect(load(folder, 'ssh://host')).rejects.toMatchObject({ kind: 'unimplemented', where: 'DOCKER_HOST' })
  })

  it.each([
    ['before anything is sent', true],
    ['while it is sent', false],
  ])('that refuses an image %s, and reads no more, is quoted', async (_, isAtOnce) => {
    const folder = await testFolder()
    const refuse: RequestListener = (request, response) => {
      response.writeHead(403, { connection: 'close' })
      response.end('{"message":"denied by a plugin"}', () => isAtOnce && request.socket.destroySoon())
    }
    const host = await socket(folder, refuse, isAtOnce)
    await expect(load(folder, host, largeImage)).rejects.toMatchObject({
      kind: 'precondition',
      message: 'cannot load the image into the docker daemon: denied by a plugin',
    })
    expect((await readdir(folder)).filter((each) => each.startsWith('native-docker'))).toEqual([])
  })

  it('that fails inside of its answer before it has everything is quoted', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (_, response) => response.end('{"error":"no space left"}\n'))
    await expect(load(folder, host, largeImage)).rejects.toMatchObject({
      kind: 'precondition',
      message: expect.stringContaining('no space left'),
    })
  })

  it('that says no word of why it refuses is quoted with the status', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (_, response) => response.writeHead(500).end())
    await expect(load(folder, host)).rejects.toMatchObject({ message: expect.stringContaining('HTTP 500') })
  })

  it.each<[string, RequestListener]>([
    ['before it answers', (request) => request.socket.destroy()],
    [
      'in the middle of what it is sent',
      (request) => {
        request.once('data', () => request.socket.destroy())
      },
    ],
    [
      'in the middle of its answer',
      (request, response) => {
        request.resume()
        request.on('end', () => response.write('{"stream":"x"}\n', () => request.socket.destroy()))
      },
    ],
    [
      'well, but has not taken everything',
      (request, response) => {
        request.once('data', () => response.end('{"stream":"x"}\n', () => request.socket.destroy()))
      },
    ],
  ])('that goes away %s, while it loads, is told as that', async (_, listener) => {
    const folder = await testFolder()
    await expect(load(folder, await socket(folder, listener), largeImage)).rejects.toMatchObject({
      name: 'Failure',
      kind: 'unavailable',
      message: 'the docker daemon closed the connection',
      where: expect.stringContaining('docker.sock'),
    })
    expect((await readdir(folder)).filter((each) => each.startsWith('native-docker'))).toEqual([])
  })

  it('that goes away while it gives an image is told as that', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (request, response) => {
      response.write(Buffer.alloc(100_000), () => request.socket.destroy())
    })
    const opening = openSource(parseReference('docker-daemon:app:1'), testImageContext(folder, { dockerHost: host }))
    await expect(opening).rejects.toMatchObject({
      name: 'Failure',
      kind: 'unavailable',
      message: 'the docker daemon closed the connection',
    })
    expect((await readdir(folder)).filter((each) => each.startsWith('native-docker'))).toEqual([])
  })

  it('that is at work and says nothing is waited for as long as it answers a ping', async () => {
    const folder = await testFolder()
    let pings = 0
    let answerLoad: (() => void) | undefined
    const host = await socket(folder, (request, response) => {
      request.resume()
      if (request.url === '/_ping') {
        pings += 1
        response.end('OK')
        if (pings === 3) answerLoad?.()
      } else request.on('end', () => (answerLoad = () => response.end('{"stream":"done"}\n')))
    })
    await copyInto(folder, { host, temporary: folder, signal, env: {}, silenceMsMax: 20 })
    expect(pings).toBeGreaterThanOrEqual(3)
  })

  it('that does not answer a ping either is given up', async () => {
    const folder = await testFolder()
    const host = await socket(folder, (request) => void request.resume())
    const loading = copyInto(folder, { host, temporary: folder, signal, env: {}, silenceMsMax: 20 })
    await expect(loading).rejects.toMatchObject({ kind: 'deadline' })
  })

  it('ends at an interrupt', async () => {
    const folder = await testFolder()
    const stop = new AbortController()
    const reason = new Failure('cancelled', 'interrupted')
    const host = await socket(folder, () => stop.abort(reason))
    await expect(copyInto(folder, { host, temporary: folder, signal: stop.signal, env: {} })).rejects.toBe(reason)
  })

  it('leaves nothing of an archive that cannot be made', async () => {
    const folder = await testFolder()
    const gone = join(folder, 'gone')
    await expect(
      openDestination(parseReference('docker-daemon:app:1'), testImageContext(folder, { temporary: gone })),
    ).rejects.toMatchObject({ kind: 'not-found', where: gone })
  })

  it('over TLS is asked with the certificates of DOCKER_CERT_PATH, and believed by them alone', async () => {
    const folder = await testFolder()
    const { certificate, key } = await selfSigned(folder)
    const [cert, keyBytes] = [await readFile(certificate), await readFile(key)]
    let authorized: boolean | undefined
    const server = createSecureServer({ cert, key: keyBytes, ca: cert, requestCert: true, rejectUnauthorized: true })
    server.on('request', (request, response) => {
      authorized = (request.socket as TLSSocket).authorized
      request.resume()
      request.on('end', () => response.end('{"stream":"done"}\n'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    const options = { host, temporary: folder, signal, env: {} }
    const certs = join(folder, 'certs')
    const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certs }
    await mkdir(certs)
    await expect(copyInto(folder, { ...options, env })).rejects.toMatchObject({
      kind: 'not-found',
      where: join(certs, 'ca.pem'),
    })
    for (const [name, bytes] of [
      ['ca.pem', cert],
      ['cert.pem', cert],
      ['key.pem', keyBytes],
    ] as const)
      await writeFile(join(certs, name), bytes)
    await copyInto(folder, { ...options, env })
    expect(authorized).toBe(true)

    // Another authority than the daemon's, and no client's certificate.
    await expect(copyInto(folder, options)).rejects.toMatchObject({ kind: 'unavailable' })
    const other = await testFolder()
    await writeFile(join(certs, 'ca.pem'), await readFile((await selfSigned(other)).certificate))
    await expect(copyInto(folder, { ...options, env })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('certificate'),
    })
  })

  it('wants a tag', async () => {
    const folder = await testFolder()
    await expect(openDestination(parseReference('docker-daemon:app'), testImageContext(folder))).rejects.toMatchObject({
      kind: 'invalid',
    })
  })
})
