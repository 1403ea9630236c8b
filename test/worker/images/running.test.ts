import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { workerConfig } from '../../../src/config/worker.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { copyImage } from '../../../src/image/copy.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { hostPlatform } from '../../../src/image/platform.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { imageOffers, imageSourceOf } from '../../../src/serve/worker-images.ts'
import { Code } from '../../../src/wire/rpc.ts'
import { testFolder } from '../../fixture/folder.ts'
import { type ImageFixture, sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { imageOf, layerOf, publish, shellEntries } from '../../fixture/layers.ts'
import { type RegistryFixture, startRegistry } from '../../fixture/registry/registry.ts'
import { openRunner } from '../sandbox/runner.ts'
import { openContext, uploadFolder } from '../worker-context.ts'

vi.setConfig({ testTimeout: 60_000 })

const shellLayer = await layerOf(shellEntries())

interface Settings {
  readonly from?: string[]
  readonly folders?: string[]
  readonly default?: string
}

async function openImageContext(
  settings: Settings = { from: ['docker'] },
  ways: ['sandbox'] | ['namespace'] = ['sandbox'],
) {
  const some = { scheduler: 'grpc://127.0.0.1:1', cas: 'grpc://127.0.0.1:1', directory: '/' }
  const { images } = workerConfig.parse({ ...some, images: settings })
  const source = imageSourceOf(images, systemClock)
  const offers = imageOffers(images)
  return openContext({ ways, images: { source, sizeBytesMax: images.size, usual: images.default, offers } })
}

/** An image with a shell and nothing else, in a registry. */
async function published(registry: RegistryFixture, more: Parameters<typeof layerOf>[0] = []) {
  const image = imageOf(
    [shellLayer, await layerOf([{ name: 'greeting', content: 'hello\n' }, ...more])],
    ['LEVEL=3', 'PATH=/bin'],
  )
  publish(registry, 'tools', '1', image)
  return {
    reference: `docker://${registry.host}/tools:1`,
    pinned: `docker://${registry.host}/tools@${image.digest}`,
    image,
  }
}

/**
 * Answers for one image as a docker daemon does, and is found by DOCKER_HOST.
 * @returns the paths that were asked for, without versions of the API
 */
async function startDaemon(folder: string, name: string, image: ImageFixture): Promise<string[]> {
  const around = testImageContext(folder)
  await writeLayout(join(folder, 'layout'), image)
  const archive = join(folder, 'image.tar')
  const source = await openSource(parseReference(`oci:${folder}/layout`), around)
  const destination = await openDestination(parseReference(`docker-archive:${archive}:${name}`), around)
  const platform = { os: 'linux', architecture: hostPlatform(process.arch).architecture }
  await copyImage(source, destination, { platform, preserveDigests: false, signal: around.signal })
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').replace(/^\/v[\d.]+/, '')
    asked.push(path)
    if (path === `/images/${name}/get`) return response.end(readFileSync(archive))
    response.writeHead(404).end(JSON.stringify({ message: `No such image: ${path}` }))
  })
  const socket = join(folder, 'docker.sock')
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  onTestFinished(() => void server.close())
  vi.stubEnv('DOCKER_HOST', `unix://${socket}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  return asked
}

const inImage = (value: string, more: { name: string; value: string }[] = []) => [
  { name: 'container-image', value },
  ...more,
]
/** No variables: what the shell finds it finds in the usual folders. */
const sh = (script: string) => ({ arguments: ['sh', '-c', script], outputPaths: ['made'] })

describe.runIf(process.platform === 'linux')('an action with an image', () => {
  test('sees the files of the image and not the machine’s, and has its inputs and outputs', async () => {
    const { pinned } = await published(await startRegistry())
    const context = await openImageContext()
    const folder = await testFolder()
    writeFileSync(join(folder, 'input'), 'given\n')
    const root = await uploadFolder(context.cas, folder)
    const script = 'cat /greeting input; echo /bin/* /* /usr/bin/*; echo made > made; echo x > /greeting'
    const { stdout, stderr, file, response } = await context.perform({
      command: sh(script),
      root,
      properties: inImage(pinned),
    })
    expect(stdout).toMatch(/^hello\ngiven\n\/bin\/cat \/bin\/sh /)
    expect(stdout).toContain(' /usr/bin/*\n')
    expect(stderr).toContain('Read-only file system')
    expect(await file('made')).toBe('made\n')
    expect(response.message).toContain(pinned)
  })

  test('finds a program by the image’s own symlinks, and is told of one that the image lacks', async () => {
    const links = [
      { name: 'usr/local/bin', type: 'symlink' as const, target: '/tools' },
      { name: 'tools/say', content: '#!/bin/sh\necho said\n', mode: 0o755 },
    ]
    const { pinned } = await published(await startRegistry(), links)
    const context = await openImageContext()
    const run = (name: string, env: { name: string; value: string }[] = []) =>
      context.perform({ command: { arguments: [name], environmentVariables: env }, properties: inImage(pinned) })
    expect(await run('say')).toMatchObject({ stdout: 'said\n' })
    expect(await run('/usr/local/bin/say')).toMatchObject({ stdout: 'said\n' })
    // Every machine has that, and the image has not.
    expect(await run('env')).toMatchObject({ result: { exitCode: 127 }, stderr: expect.stringContaining('not found') })
    expect(await run('/usr/bin/env')).toMatchObject({
      result: { exitCode: 127 },
      stderr: expect.stringContaining('in the image docker://'),
    })
    expect(await run('say', [{ name: 'PATH', value: '/bin' }])).toMatchObject({ result: { exitCode: 127 } })
    expect(await run('say', [{ name: 'PATH', value: '/greeting:/usr/local/bin' }])).toMatchObject({ stdout: 'said\n' })
    expect(await run('/greeting/say')).toMatchObject({ result: { exitCode: 127 } })
  })

  test('has exactly its own variables, and the image’s beneath them when it asks', async () => {
    const { pinned } = await published(await startRegistry())
    const context = await openImageContext()
    const command = {
      arguments: ['/bin/cat', '/proc/self/environ'],
      environmentVariables: [
        { name: 'PATH', value: '/x' },
        { name: 'A', value: 'b c' },
      ],
    }
    const env = async (more: { name: string; value: string }[]) =>
      (await context.perform({ command, properties: inImage(pinned, more) })).stdout.split('\0').filter(Boolean).sort()
    expect(await env([])).toEqual(['A=b c', 'PATH=/x'])
    expect(await env([{ name: 'container-image-env', value: 'on' }])).toEqual(['A=b c', 'LEVEL=3', 'PATH=/x'])
  })

  describe('does not heed what the image says of', () => {
    const performed = async (
      config: Record<string, unknown>,
      command: { arguments: string[]; outputPaths: string[] },
    ) => {
      const registry = await startRegistry()
      const image = imageOf([shellLayer, await layerOf([{ name: 'srv/here', content: 'there\n' }])], [], config)
      publish(registry, 'tools', '1', image)
      const properties = inImage(`docker://${registry.host}/tools@${image.digest}`)
      const context = await openImageContext()
      return context.perform({ command, properties })
    }

    test('its working directory: relative names are those of the inputs', async () => {
      const { stdout, file } = await performed({ WorkingDir: '/srv' }, sh('pwd; echo *; echo made > made'))
      expect(stdout).toBe('/build/root\n*\n')
      expect(await file('made')).toBe('made\n')
    })

    test('its program: an action has exactly the arguments of its Command', async () => {
      const config = { Entrypoint: ['/bin/sh', '-c', 'echo entered; exec "$@"', 'sh'], Cmd: ['/bin/cat', '/srv/here'] }
      const { stdout, result } = await performed(config, {
        arguments: ['/bin/sh', '-c', 'echo "$0: $# $1"', 'name', 'a b'],
        outputPaths: [],
      })
      expect(stdout).toBe('name: 1 a b\n')
      expect(result.exitCode).toBe(0)
    })

    test('its user: an action is the worker’s, to whom all files of the image belong', async () => {
      const script =
        'while read -r a b; do case $a in [UG]id:) echo "$b";; esac; done </proc/self/status; test -O /srv/here && test -O . && echo own'
      for (const User of ['4711:4712', 'nobody', 'no-such-user']) {
        const { stdout } = await performed({ User }, sh(script))
        const same = (id: number | undefined) => [id, id, id, id].join('\t')
        expect(stdout).toBe(`${same(process.getuid?.())}\n${same(process.getgid?.())}\nown\n`)
      }
    })
  })

  test('has a /tmp that the next action does not see, and a name for itself on its loopback', async () => {
    const { pinned } = await published(await startRegistry())
    const context = await openImageContext()
    const run = (script: string) => context.perform({ command: sh(script), properties: inImage(pinned) })
    expect(await run('echo a > /tmp/a; echo b > /var/tmp/b; echo /tmp/*')).toMatchObject({ stdout: '/tmp/a /tmp/b\n' })
    expect(await run('echo /tmp/* /dev/shm/*')).toMatchObject({ stdout: '/tmp/* /dev/shm/*\n' })
    expect((await run('cat /etc/hosts')).stdout).toContain('127.0.0.1 localhost')
  })

  test('has no capabilities, and what the image says to loaders is not heard by those that have some', async () => {
    const preload = { name: 'etc/ld.so.preload', content: '/evil.so\n' }
    const { pinned } = await published(await startRegistry(), [preload])
    const context = await openImageContext()
    const script = 'while read -r name value; do case $name in Cap*) echo $value;; esac; done </proc/self/status'
    const { stdout, stderr } = await context.perform({ command: sh(script), properties: inImage(pinned) })
    expect(new Set(stdout.trim().split('\n'))).toEqual(new Set(['0000000000000000']))
    expect(stderr).toBe('')
  })

  test('a link at the top of an image removes nothing of the machine, whatever it leads to', async () => {
    const victim = await testFolder()
    writeFileSync(join(victim, 'authorized_keys'), 'real\n')
    const link = { name: 'authorized_keys', type: 'symlink' as const, target: `-ft${victim}` }
    const { pinned } = await published(await startRegistry(), [link])
    const context = await openImageContext()
    const { stdout } = await context.perform({
      command: sh('test -L /authorized_keys; echo $?'),
      properties: inImage(pinned),
    })
    expect(readFileSync(join(victim, 'authorized_keys'), 'utf8')).toBe('real\n')
    expect(stdout).toBe('0\n')
  })

  test('names at the top of an image are names, and not options of the programs that make its root', async () => {
    const options = [
      { name: '-m0', type: 'directory' as const },
      { name: '-m0/inside', content: 'x' },
      { name: '-f', content: 'file\n' },
      { name: '-s', type: 'symlink' as const, target: "-it 'quoted'" },
      { name: '-\u00a0\t#\u2003', type: 'directory' as const },
      { name: '-\u00a0\t#\u2003/deep', content: 'x' },
    ]
    const { pinned } = await published(await startRegistry(), options)
    const context = await openImageContext()
    const script = 'echo /-?; echo /-m0/*; echo /-[!m]*/*; cat /-f'
    const { stdout } = await context.perform({ command: sh(script), properties: inImage(pinned) })
    expect(stdout).toBe('/-f /-s\n/-m0/inside\n/-\u00a0\t#\u2003/deep\nfile\n')
  })

  test('what an image says of its file systems is not heard when its root is made read-only', async () => {
    const fstab = { name: 'etc/fstab', content: '/dev/sda1 / ext4 errors=remount-ro,subvol=x 0 1\n' }
    const { pinned } = await published(await startRegistry(), [fstab])
    const context = await openImageContext()
    const script = 'cat /etc/fstab; (: > /new) 2> /dev/null || echo held'
    expect(await context.perform({ command: sh(script), properties: inImage(pinned) })).toMatchObject({
      stdout: `${fstab.content}held\n`,
    })
  })

  test('an image with more at its top than a sandbox can show is a precondition, at once', async () => {
    const many = Array.from({ length: 300 }, (_, at) => ({ name: `${at}`, type: 'directory' as const }))
    const long = Array.from({ length: 200 }, (_, at) => ({ name: `${at}${"'".repeat(100)}` }))
    const registry = await startRegistry()
    const context = await openImageContext()
    for (const top of [many, long]) {
      const { pinned } = await published(registry, top)
      const { response } = await context.perform({ command: sh(''), properties: inImage(pinned) })
      expect(response.status).toMatchObject({
        code: Code.FAILED_PRECONDITION,
        message: expect.stringContaining('more at its top than a sandbox can show'),
      })
    }
  })

  test('an image that no slot starts with is a precondition, and others run as before', async () => {
    const folder = await testFolder()
    // Nothing can be written to etc/hosts here.
    symlinkSync('/nowhere', join(folder, 'etc'))
    const runner = openRunner(join(folder, 'worker'), { ways: ['sandbox'] })
    onTestFinished(() => runner.close())
    await expect(runner.sh('', { image: folder })).rejects.toMatchObject({
      kind: 'precondition',
      message: expect.stringContaining('no sandbox can be created from the image'),
    })
    expect(await runner.sh('echo ran')).toMatchObject({ stdout: 'ran\n' })
  })

  test('a tag is looked up once; an image that is not there is a precondition that names it', async () => {
    const registry = await startRegistry()
    const { reference, image } = await published(registry)
    const context = await openImageContext()
    const first = await Promise.all(
      [1, 2, 3].map(() => context.perform({ command: sh('cat /greeting'), properties: inImage(reference) })),
    )
    expect(first.map(({ stdout }) => stdout)).toEqual(['hello\n', 'hello\n', 'hello\n'])
    expect(first[0]?.response.message).toContain(`${reference}@${image.digest}`)
    const fetched = image.layers.map((layer) => registry.seen.filter(({ path }) => path.endsWith(sha256(layer))).length)
    expect(fetched).toEqual([1, 1])
    const { response } = await context.perform({ command: sh(''), properties: inImage(`${reference}0`) })
    expect(response.status).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      message: expect.stringContaining(`${reference}0`),
    })
  })

  test('a layer that images share is fetched once, also when they are fetched at the same time', async () => {
    const registry = await startRegistry()
    const context = await openImageContext()
    const images = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const image = imageOf([shellLayer, await layerOf([{ name: 'greeting', content: name }])])
        publish(registry, name, '1', image)
        const properties = inImage(`docker://${registry.host}/${name}@${image.digest}`)
        return { image, performed: context.perform({ command: sh('cat /greeting'), properties }) }
      }),
    )
    expect((await Promise.all(images.map(({ performed }) => performed))).map(({ stdout }) => stdout)).toEqual([
      'one',
      'two',
    ])
    const shared = sha256(images[0]?.image.layers[0] ?? Buffer.alloc(0))
    expect(registry.seen.filter(({ path }) => path.endsWith(shared))).toHaveLength(1)
  })

  test('an image that is none, or from where the deployment allows none, is refused', async () => {
    const context = await openImageContext({ from: ['docker', 'oci'], folders: ['/usr'] })
    const status = async (value: string) =>
      (await context.perform({ command: sh(''), properties: inImage(value) })).response.status?.code
    expect(await status('docker://Not/An/Image')).toBe(Code.INVALID_ARGUMENT)
    expect(await status('ubuntu')).toBe(Code.INVALID_ARGUMENT)
    expect(await status('docker-daemon:ubuntu:24.04')).toBe(Code.FAILED_PRECONDITION)
    expect(await status('oci:/etc')).toBe(Code.FAILED_PRECONDITION)
    expect(await status('oci:/usr/../etc')).toBe(Code.FAILED_PRECONDITION)
  })

  test('an OCI layout is a place too, and an image may be every action’s', async () => {
    const folder = await testFolder()
    await writeLayout(join(folder, 'layout'), imageOf([shellLayer]))
    mkdirSync(join(folder, 'other'))
    const layout = `oci:${join(folder, 'layout')}`
    const named = await openImageContext({ from: ['oci'], folders: [folder] })
    expect(await named.perform({ command: sh('echo /bin/*'), properties: inImage(layout) })).toMatchObject({
      stdout: '/bin/cat /bin/sh\n',
    })
    const usual = await openImageContext({ default: layout })
    expect(await usual.perform({ command: sh('echo /bin/*') })).toMatchObject({ stdout: '/bin/cat /bin/sh\n' })
  })

  test('a docker daemon is a place too: it is asked once for what it has, and told apart from what it lacks', async () => {
    const folder = await testFolder()
    const asked = await startDaemon(folder, 'tools:1', imageOf([shellLayer, await layerOf([{ name: 'greeting' }])]))
    const context = await openImageContext({ from: ['docker-daemon'] })
    const run = (value: string) => context.perform({ command: sh('echo /bin/* /greeting'), properties: inImage(value) })
    const [first, second] = await Promise.all([run('docker-daemon:tools:1'), run('docker-daemon:tools:1')])
    for (const { stdout, response } of [first, second, await run('docker-daemon:tools:1')]) {
      expect(stdout).toBe('/bin/cat /bin/sh /greeting\n')
      expect(response.message).toContain('docker-daemon:tools:1')
    }
    expect(asked).toEqual(['/images/tools:1/get'])
    const { response } = await run('docker-daemon:other:1')
    expect(response.status).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      message: expect.stringMatching(/docker-daemon:other:1.*No such image/s),
    })
  })

  test('without a sandbox it is refused, and nothing is fetched', async () => {
    const registry = await startRegistry()
    const { pinned } = await published(registry)
    const context = await openImageContext({ from: ['docker'] }, ['namespace'])
    const { response } = await context.perform({ command: sh('echo ran'), properties: inImage(pinned) })
    expect(response.status).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      message: expect.stringContaining('sandbox'),
    })
    expect(registry.seen).toEqual([])
  })
})
