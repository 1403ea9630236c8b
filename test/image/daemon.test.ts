import { readdir } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testSurroundings } from '../fixture/surroundings.ts'

const signal = new AbortController().signal

/** Something that answers on a socket as a daemon would. */
async function socket(folder: string, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  const path = join(folder, 'docker.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return `unix://${path}`
}

async function load(folder: string, dockerHost: string) {
  await writeLayout(join(folder, 'in'), await makeImage())
  const around = testSurroundings(folder, { dockerHost })
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

  it('wants a tag', async () => {
    const folder = await testFolder()
    await expect(openDestination(parseReference('docker-daemon:app'), testSurroundings(folder))).rejects.toMatchObject({
      kind: 'invalid',
    })
  })
})
