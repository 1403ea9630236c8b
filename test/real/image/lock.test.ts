import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDefinition } from '../../../src/image/definition.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeIndexLayout } from '../../fixture/image.ts'
import { readLayout } from '../../fixture/layout.ts'
import { createNative, type Native, root, runner } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'
import { git, makeRepository } from '../../fixture/repository.ts'
import { startDockerRegistry } from './docker-registry.ts'

const isThere = await have('docker-registry', 'htpasswd', 'skopeo', 'git')
const old = `sha256:${'a1'.repeat(32)}`

/** A base for two platforms as skopeo has put it into a registry. */
async function pushBase(host: string, files: Record<string, string>, ...args: string[]): Promise<string> {
  const folder = await testFolder()
  const images = ['amd64', 'arm64'].map((architecture) => makeImage({ architecture, files: [files] }))
  const digest = await writeIndexLayout(folder, await Promise.all(images))
  const flags = ['--quiet', '--all', '--preserve-digests', '--dest-tls-verify=false', ...args]
  await execa('skopeo', ['copy', ...flags, `oci:${folder}`, `docker://${host}/team/base:stable`])
  return digest
}

describe.runIf(isThere)('native image lock', () => {
  let native: Native

  beforeAll(async () => {
    native = await createNative([])
  })
  afterAll(() => native.dispose())

  const definition = (host: string) => `# Where this comes from is written down.
name: mine
base:
  image: ${host}/team/base:stable # moves
  digest: ${old}
platforms: [linux/amd64, linux/arm64]
files: [{ from: data, to: /data }]
`

  it('writes where the tag of the base points now, and an image is built on just that', async () => {
    const { host } = await startDockerRegistry(await testFolder())
    const first = await pushBase(host, { one: '1' })
    const folder = join(native.home, 'own')
    await makeRepository(folder, { 'mine.yaml': definition(host), data: 'x' })
    const program = runner(join(root, 'bin/run.js'), native.env, folder)
    const copy = ['image', 'copy', '--definition', 'mine.yaml', '--platform', 'linux/amd64']
    const refused = await program.run(...copy, 'oci:refused')
    expect(refused.stderr.match(/^error: /gm)).toHaveLength(1)
    expect(refused.exitCode).toBe(3)

    const lock = ['image', 'lock', '--definition', 'mine.yaml']
    const { stdout } = await program.ok(...lock)
    expect(stdout).toBe(`${host}/team/base:stable: ${old} -> ${first}`)
    const written = await readFile(join(folder, 'mine.yaml'), 'utf8')
    expect(written).toBe(definition(host).replace(old, first))
    expect(parseDefinition(written, 'mine.yaml').base).toMatchObject({ digest: first })
    const again = JSON.parse((await program.ok(...lock, '--json')).stdout)
    expect(again).toEqual([{ file: 'mine.yaml', image: `${host}/team/base:stable`, before: first, after: first }])

    const tag = (await program.ok('image', 'tag', '--definition', 'mine.yaml')).stdout
    const moved = await pushBase(host, { two: '2' })
    await program.ok(...copy, 'oci:pinned')
    expect((await readLayout(join(folder, 'pinned'))).entries.map((each) => each.name)).toEqual(['one', 'data'])
    await program.ok(...lock)
    expect((await program.ok('image', 'tag', '--definition', 'mine.yaml')).stdout).not.toBe(tag)
    await program.ok(...copy, 'oci:moved')
    const { entries, config } = await readLayout(join(folder, 'moved'))
    expect(entries.map((each) => each.name)).toEqual(['two', 'data'])
    expect(config.config.Labels).toMatchObject({
      'org.opencontainers.image.base.name': `${host}/team/base:stable@${moved}`,
      'org.opencontainers.image.base.digest': moved,
    })
  })

  it('refreshes all definitions of a checkout, with a login and TLS of its own', async () => {
    const place = await testFolder()
    const { host, certificate } = await startDockerRegistry(place, { tls: true, login: 'me:secret' })
    const digest = await pushBase(host, { one: '1' }, '--dest-creds', 'me:secret')
    const folder = join(native.home, 'checkout')
    await makeRepository(folder, {
      'templates/images/native.yaml': definition(host),
      'templates/images/other.yaml': 'name: other\nbase: scratch\nplatforms: [linux/amd64]\n',
    })
    const authfile = join(folder, 'auth.json')
    await writeFile(authfile, JSON.stringify({ auths: { [host]: { auth: btoa('me:secret') } } }))
    const env = { ...native.env, NODE_EXTRA_CA_CERTS: certificate }
    const program = runner(join(root, 'bin/run.js'), env, folder)
    const stranger = await program.run('image', 'lock')
    expect(stranger.exitCode).toBe(7)
    expect(await git(folder, 'status', '--porcelain', 'templates')).toBe('')
    const { stdout, stderr } = await program.ok('image', 'lock', '--authfile', authfile)
    expect(stdout).toBe(`${host}/team/base:stable: ${old} -> ${digest}`)
    expect(`${stdout}${stderr}`).not.toContain('secret')
    expect(await git(folder, 'status', '--porcelain', 'templates')).toBe(' M templates/images/native.yaml')
  })

  it.each([
    ['no YAML', 'name: [', 2],
    ['no base', 'name: mine\n', 2],
    ['a base without a name', 'base: {image: 7}\n', 2],
    ['a tag that is not there', 'base: {image: "HOST/team/nosuch:1"}\n', 3],
    ['no file', undefined, 3],
  ])('leaves a definition as it is that has %s', async (_, text, exitCode) => {
    const { host } = await startDockerRegistry(await testFolder())
    const file = join(await testFolder(), 'mine.yaml')
    const before = text?.replace('HOST', host)
    if (before !== undefined) await writeFile(file, before)
    const ran = await native.run('image', 'lock', '--definition', file)
    expect(ran.stderr).toContain(before?.includes('nosuch') ? 'nosuch' : file)
    expect(ran.stderr.match(/^error: /gm)).toHaveLength(1)
    expect(ran.exitCode).toBe(exitCode)
    if (before !== undefined) expect(await readFile(file, 'utf8')).toBe(before)
  })
})
