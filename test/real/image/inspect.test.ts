import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { createNative, root, runner } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'
import { startDockerRegistry } from './docker-registry.ts'

// `native image inspect` and `native image ls` beside what skopeo says of the same image.

const canRun = await have('docker-registry', 'skopeo')

async function begin() {
  const native = await createNative([])
  onTestFinished(() => native.dispose())
  const folder = native.home
  const { host } = await startDockerRegistry(folder)
  const made = await makeImage({ files: [{ 'etc/mark': 'one' }, { 'etc/more': 'two' }] })
  await writeLayout(join(folder, 'layout'), made, 'it')
  const { run, ok } = runner(join(root, 'bin/run.js'), native.env, folder)
  for (const tag of ['b', 'a', '1.0']) await ok('image', 'copy', 'oci:layout:it', `docker://${host}/team/app:${tag}`)
  const skopeo = async (...args: string[]) => (await execa('skopeo', args, { cwd: folder })).stdout
  return { host, image: `${host}/team/app:a`, digest: made.digest, run, ok, skopeo }
}

describe.runIf(canRun)('native image inspect', () => {
  it('says of an image what skopeo says', async () => {
    const { image, digest, ok, skopeo } = await begin()
    const theirs = JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${image}`))
    const ours = JSON.parse((await ok('image', 'inspect', '--json', image)).stdout)
    expect(ours.digest).toBe(digest)
    expect(ours.digest).toBe(theirs.Digest)
    expect(ours.image.layers.map((each: { digest: string }) => each.digest)).toEqual(theirs.Layers)
    expect(ours.image.platform).toBe(`${theirs.Os}/${theirs.Architecture}`)
    expect((await ok('image', 'inspect', image)).stdout).toMatch(new RegExp(`^digest +${digest}$`, 'm'))
  })

  it('prints the very bytes with --raw and --config', async () => {
    const { image, digest, ok, skopeo } = await begin()
    const { stdout: raw } = await ok('image', 'inspect', '--raw', `docker://${image}`)
    expect(`sha256:${createHash('sha256').update(raw).digest('hex')}`).toBe(digest)
    const { stdout: config } = await ok('image', 'inspect', '--config', 'oci:layout:it')
    expect(config).toBe(await skopeo('inspect', '--config', '--raw', 'oci:layout:it'))
  })
})

describe.runIf(canRun)('native image ls', () => {
  it('prints the tags that skopeo lists, one a line', async () => {
    const { host, ok, skopeo } = await begin()
    const { Tags } = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${host}/team/app`))
    const { stdout } = await ok('image', 'ls', `${host}/team/app`)
    expect(stdout.split('\n').toSorted()).toEqual([...Tags].toSorted())
    const json = JSON.parse((await ok('image', 'ls', '--json', `docker://${host}/team/app`)).stdout)
    expect(json).toEqual({ repository: `${host}/team/app`, tags: stdout.split('\n') })
  })
})

describe.runIf(canRun)('both', () => {
  it('refuse in one message, with an exit code', async () => {
    const { host, image, run } = await begin()
    const refused: readonly (readonly [words: readonly string[], code: number])[] = [
      [['inspect', `${host}/team/app:9`], 3],
      [['inspect', `${host}/team/none:1`], 3],
      [['inspect', 'oci:none'], 3],
      [['inspect', 'oci:layout:none'], 3],
      [['inspect', '--platform', 'linux/riscv64', image], 3],
      [['inspect', '--retry-times', '0', 'localhost:1/app:1'], 4],
      [['inspect', '--raw', '--config', image], 2],
      [['inspect'], 2],
      [['ls', `${host}/team/none`], 3],
      [['ls', image], 2],
      [['ls', 'oci:layout'], 2],
      [['ls', '--retry-times', '0', 'localhost:1/app'], 4],
      [['ls'], 2],
    ]
    for (const [words, code] of refused) {
      const { exitCode, stdout, stderr } = await run('image', ...words)
      expect({ words, exitCode, stdout, stderr }).toMatchObject({ words, exitCode: code, stdout: '' })
      expect(stderr.match(/^error: /gm)).toHaveLength(1)
      expect(stderr).not.toContain('.js:')
    }
  })
})
