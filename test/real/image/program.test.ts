import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DockerRegistry, launchDockerRegistry } from '../../fixture/docker-registry.ts'
import { type ImageFixture, makeImage, sha256, writeIndexLayout, writeLayout } from '../../fixture/image.ts'
import { createNative, type Native, type Ran, root, runner } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'

const isThere = await have('docker-registry', 'skopeo', 'htpasswd', 'openssl')

let native: Native
let registry: DockerRegistry
let image: ImageFixture

beforeAll(async () => {
  native = await createNative([])
  image = await makeImage()
  await writeLayout(join(native.home, 'in'), image, 'v1')
  if (isThere) registry = await launchDockerRegistry(await mkdtemp(join(native.home, 'registry-')))
})
afterAll(async () => {
  registry?.stop()
  await native.dispose()
})

const copy = (...args: string[]): Promise<Ran> => native.run('image', 'copy', ...args)
const lastLine = ({ stdout }: Ran): string => stdout.trim().split('\n').at(-1) ?? ''
const skopeo = (...args: string[]) => execa('skopeo', ['--insecure-policy', ...args], { cwd: native.home })
/** What skopeo reads there, as a digest: of the manifest, or with --config of the config. */
const digestRead = async (...args: string[]): Promise<string> =>
  sha256(Buffer.from((await skopeo('inspect', '--raw', '--tls-verify=false', ...args)).stdout))

const transports = ['docker', 'oci', 'oci-archive', 'dir', 'docker-archive'] as const
type Transport = (typeof transports)[number]
const pairs = transports.flatMap((from) => transports.map((to) => [from, to] as const))

function place(transport: Transport, name: string): string {
  if (transport === 'docker') return `docker://${registry.host}/${name}:1`
  if (transport === 'docker-archive') return `docker-archive:${name}.docker.tar:app:1`
  return { oci: `oci:${name}.oci:v1`, 'oci-archive': `oci-archive:${name}.tar:v1`, dir: `dir:${name}.dir` }[transport]
}

describe.runIf(isThere)('native image copy, from what skopeo wrote to what skopeo reads', () => {
  beforeAll(async () => {
    for (const each of transports) await skopeo('copy', '--dest-tls-verify=false', 'oci:in:v1', place(each, 'skopeos'))
  })

  it.each(pairs)('from %s to %s keeps the image, and its digest where a manifest is kept', async (from, to) => {
    const there = place(to, `of-${from}`)
    const keeps = from !== 'docker-archive' && to !== 'docker-archive'
    const flags = ['--check', ...(keeps ? ['--preserve-digests'] : [])]
    const ran = await copy(place(from, 'skopeos'), there, ...flags)
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0 })
    if (keeps) expect(lastLine(ran)).toBe(image.digest)
    if (to !== 'docker-archive') expect(await digestRead(there)).toBe(lastLine(ran))
    expect(await digestRead('--config', there)).toBe(sha256(image.config))
  })

  it('a whole index, or the image of it for a platform', async () => {
    const arm = await makeImage({ architecture: 'arm64' })
    const index = await writeIndexLayout(join(native.home, 'index'), [image, arm])
    const at = (name: string) => `docker://${registry.host}/index/${name}:1`
    expect(lastLine(await copy('oci:index', at('all'), '--all', '--digestfile', 'index.digest'))).toBe(index)
    expect(await digestRead(at('all'))).toBe(index)
    expect(lastLine(await copy(at('all'), at('arm'), '--platform', 'linux/arm64'))).toBe(arm.digest)
    expect(await digestRead(at('arm'))).toBe(arm.digest)
  })

  it("docker's own types with --preserve-digests: as they are in a registry, refused by a layout", async () => {
    const docker = await makeImage({ docker: true })
    const folder = join(native.home, 'dockers')
    await mkdir(folder)
    await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n')
    await writeFile(join(folder, 'manifest.json'), docker.manifest)
    for (const blob of [docker.config, ...docker.layers]) await writeFile(join(folder, sha256(blob).slice(7)), blob)
    const there = place('docker', 'dockers')
    expect(lastLine(await copy('dir:dockers', there, '--preserve-digests'))).toBe(docker.digest)
    expect(await digestRead(there)).toBe(docker.digest)
    const refused = await copy(there, 'oci:dockers.oci', '--preserve-digests')
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('its digest would change\n  at --preserve-digests')
  })
})

describe.runIf(isThere)('native image copy to a registry with TLS and a login', () => {
  let closed: DockerRegistry
  let there: string

  beforeAll(async () => {
    closed = await launchDockerRegistry(await mkdtemp(join(native.home, 'closed-')), {
      tls: true,
      login: 'alice:open sesame',
    })
    there = `docker://${closed.host}/app:1`
    const authFile = (login: string): string =>
      JSON.stringify({ auths: { [closed.host]: { auth: Buffer.from(login).toString('base64') } } })
    await writeFile(join(native.home, 'good.json'), authFile('alice:open sesame'))
    await writeFile(join(native.home, 'wrong.json'), authFile('alice:open barley'))
    await writeFile(join(native.home, 'malformed.json'), '{"auths":')
    await writeFile(join(native.home, 'no-base64.json'), JSON.stringify({ auths: { [closed.host]: { auth: '::' } } }))
  })
  afterAll(() => closed?.stop())

  it.each([
    ['without a login', [], 7, /authentication required.*\n.*\n {2}→ Log in: docker login localhost/],
    ['a wrong password', ['--authfile', 'wrong.json'], 7, /login/],
    ['a file that is not there', ['--authfile', 'nosuch.json'], 3, /the file with logins is not there\n {2}at nosuch/],
    [
      'a malformed file',
      ['--authfile', 'malformed.json'],
      2,
      /the file with logins is not valid JSON\n {2}at malformed/,
    ],
    ['a malformed login', ['--authfile', 'no-base64.json'], 2, /a login is malformed/],
  ])('refuses %s', async (_, flags, exitCode, message) => {
    const ran = await copy('oci:in:v1', there, '--dest-tls-verify=false', ...flags)
    expect(ran.stderr).toMatch(message)
    expect(ran.stderr.match(/^error: /gm)).toHaveLength(1)
    expect(ran.exitCode).toBe(exitCode)
    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(/barley|sesame/)
  })

  it('takes the login of --authfile, or of the file that REGISTRY_AUTH_FILE names', async () => {
    const flags = ['--dest-tls-verify=false', '--json']
    const first = await copy('oci:in:v1', there, '--authfile', 'good.json', ...flags)
    expect(JSON.parse(first.stdout)).toMatchObject({ digest: image.digest, result: { blobs: { written: 3 } } })
    const env = { ...native.env, REGISTRY_AUTH_FILE: 'good.json' }
    const again = await runner(join(root, 'bin/run.js'), env, native.home).run(
      'image',
      'copy',
      'oci:in:v1',
      there,
      ...flags,
    )
    expect(JSON.parse(again.stdout)).toMatchObject({ digest: image.digest, result: { blobs: { present: 3 } } })
    expect(await digestRead('--creds', 'alice:open sesame', there)).toBe(image.digest)
  })

  it('believes no certificate that nobody signed, unless told so for that very side', async () => {
    const login = ['--authfile', 'good.json']
    await copy('oci:in:v1', there, ...login, '--dest-tls-verify=false')
    const untrusted = (side: string) =>
      expect.stringMatching(
        RegExp(
          `the certificate of localhost:\\d+ is not trusted.*\n.*\n.*SSL_CERT_FILE.*\n.*--${side}-tls-verify=false`,
        ),
      )
    for (const flags of [[], ['--dest-tls-verify=true'], ['--src-tls-verify=false']]) {
      const ran = await copy('oci:in:v1', there, ...login, ...flags)
      expect(ran).toMatchObject({ exitCode: 7, stderr: untrusted('dest') })
    }
    for (const flags of [[], ['--dest-tls-verify=false']]) {
      const ran = await copy(there, 'oci:pulled', ...login, ...flags)
      expect(ran).toMatchObject({ exitCode: 7, stderr: untrusted('src') })
    }
    expect(lastLine(await copy(there, 'oci:pulled', ...login, '--src-tls-verify=false'))).toBe(image.digest)
    expect(await digestRead('oci:pulled')).toBe(image.digest)
  })
})
