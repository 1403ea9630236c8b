import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { npm } from '../../../src/image/build/npm.ts'
import { testFolder } from '../../fixture/folder.ts'
import { processesUnder } from '../../fixture/process.ts'
import { selfSigned } from '../../fixture/self-signed.ts'

const options = { path: process.env['PATH'] ?? '', signal: new AbortController().signal }

/** A folder whose packages can only come from the registry that the user's settings name. */
async function folderFor(registry: string): Promise<string> {
  const folder = await testFolder()
  vi.stubEnv('npm_config_registry', registry)
  vi.stubEnv('npm_config_cache', join(folder, 'npm-cache'))
  const own = { name: 'own', version: '1.0.0', dependencies: { needed: '1.0.0' } }
  const needed = {
    version: '1.0.0',
    resolved: `${registry}/needed/-/needed-1.0.0.tgz`,
    integrity: `sha512-${Buffer.alloc(64).toString('base64')}`,
  }
  const packages = { '': own, 'node_modules/needed': needed }
  await writeFile(join(folder, 'package.json'), JSON.stringify(own))
  await writeFile(
    join(folder, 'package-lock.json'),
    JSON.stringify({ name: 'own', version: '1.0.0', lockfileVersion: 3, packages }),
  )
  return folder
}

/** A registry with a certificate that nobody has signed, which knows no package. */
async function selfSignedRegistry(): Promise<{ url: string; certificate: string }> {
  const { key, certificate } = await selfSigned(await testFolder())
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (_, response) => {
    response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, certificate }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('npm of a build', () => {
  beforeEach(() => {
    for (const name of ['https_proxy', 'http_proxy', 'HTTPS_PROXY', 'HTTP_PROXY', 'NODE_EXTRA_CA_CERTS'])
      vi.stubEnv(name, undefined)
    vi.stubEnv('npm_config_fetch_retries', '0')
    // An authority of the user's own settings stands before all others, for npm.
    vi.stubEnv('npm_config_cafile', undefined)
    for (const each of ['global', 'user']) vi.stubEnv(`npm_config_${each}config`, `/nowhere/${each}`)
  })
  afterEach(() => void vi.unstubAllEnvs())

  it.each([
    ['ci', ['ci']],
    ['pack', ['pack', 'needed@1.0.0']],
  ])('%s says what to do about a certificate, and takes the authority that is named', async (_, args) => {
    const { url, certificate } = await selfSignedRegistry()
    const folder = await folderFor(url)
    await expect(npm(args, folder, options)).rejects.toMatchObject({
      kind: 'program',
      message: `npm ${args[0]} failed`,
      next: [expect.stringMatching(/DEPTH_ZERO_SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS=FILE.*cafile/)],
    })
    vi.stubEnv('NODE_EXTRA_CA_CERTS', certificate)
    await expect(npm(args, folder, options)).rejects.toMatchObject({
      output: expect.stringContaining('404'),
      next: [expect.not.stringContaining('certificate')],
    })
  })

  it('says that the registry is not reached', async () => {
    const folder = await folderFor(`http://127.0.0.1:${await freePort()}`)
    await expect(npm(['ci'], folder, options)).rejects.toMatchObject({
      output: expect.stringContaining('ECONNREFUSED'),
      next: [expect.stringMatching(/ECONNREFUSED.*npm config get registry/)],
    })
  })

  it("shows what a script of the checkout's has printed, and gives no advice about registries", async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'package.json'), JSON.stringify({ scripts: { build: 'echo out; exit 3' } }))
    await expect(npm(['run', 'build'], folder, options)).rejects.toMatchObject({
      message: 'npm run failed',
      output: expect.stringContaining('out'),
      next: [],
    })
  })

  it('does not tell its scripts of the repository of a hook', async () => {
    const folder = await testFolder()
    const script = 'echo "dir=$GIT_DIR index=$GIT_INDEX_FILE"; exit 3'
    await writeFile(join(folder, 'package.json'), JSON.stringify({ scripts: { build: script } }))
    vi.stubEnv('GIT_DIR', '/hook/.git')
    vi.stubEnv('GIT_INDEX_FILE', '/hook/.git/index')
    const error = npm(['run', 'build'], folder, options)
    await expect(error).rejects.toMatchObject({ output: expect.stringMatching(/dir= index=$/m) })
  })

  it('ends at once when it is stopped, with all that it has started, also what does not listen', async () => {
    const folder = await testFolder()
    const script = `trap '' TERM INT; touch started; sleep 600; sleep 600`
    await writeFile(join(folder, 'package.json'), JSON.stringify({ scripts: { build: script } }))
    const stop = new AbortController()
    const running = npm(['run', 'build'], folder, { ...options, signal: stop.signal })
    await vi.waitFor(() => readFile(join(folder, 'started')), 30_000)
    expect(await processesUnder(folder)).not.toEqual([])
    const stoppedMs = performance.now()
    stop.abort(new Error('stopped'))
    await expect(running).rejects.toThrow('stopped')
    expect(performance.now() - stoppedMs).toBeLessThan(2000)
    await vi.waitFor(async () => expect(await processesUnder(folder)).toEqual([]), 20_000)
  })
})
