import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { createNative, root, runner } from '../../fixture/program.ts'
import { createWorkdir, have } from '../../fixture/real.ts'
import { startDockerRegistry } from '../image/docker-registry.ts'
import { cosign2, haveTrixie } from './cosign.ts'

// What users type: `native image sign` and `native image copy --sign`, in Debian's docker-registry; cosign 2 and
// cosign 3 judge each form.

const canRun = (await have('docker-registry', 'openssl', 'sid:cosign')) && (await haveTrixie())
const flags = ['--insecure-ignore-tlog=true', '--allow-http-registry']

async function begin() {
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const native = await createNative([])
  onTestFinished(() => native.dispose())
  const { host } = await startDockerRegistry(work.path)
  const made = await makeImage({ files: [{ 'etc/mark': work.path }] })
  await writeLayout(join(work.path, 'layout'), made, 'it')
  const { run, ok } = runner(join(root, 'bin/run.js'), native.env, work.path)
  const openssl = (...args: string[]) => execa('openssl', args, { cwd: work.path })
  for (const name of ['key', 'other']) {
    await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${name}.pem`)
    await openssl('pkey', '-in', `${name}.pem`, '-pubout', '-out', `${name}.pub`)
  }
  const judges = {
    'cosign 2': (...args: string[]) => cosign2(work.path, args),
    'cosign 3': (...args: string[]) => work.chroot(['cosign', ...args]),
  }
  /** Exit codes of both, for a key and further words. */
  const judged = async (key: string, image: string, ...more: string[]) => {
    const args = ['verify', ...flags, '--key', key, ...more, image]
    const codes = Object.entries(judges).map(async ([name, judge]) => [name, (await judge(...args)).exitCode === 0])
    return Object.fromEntries(await Promise.all(codes))
  }
  return { folder: work.path, env: native.env, image: `${host}/app:1`, host, digest: made.digest, run, ok, judged }
}

const both = { 'cosign 2': true, 'cosign 3': true }
const neither = { 'cosign 2': false, 'cosign 3': false }

describe.runIf(canRun)('native image sign', () => {
  it('signs for cosign 2 and cosign 3, and prints what it signed', async () => {
    const { image, digest, ok, judged } = await begin()
    await ok('image', 'copy', 'oci:layout:it', `docker://${image}`)
    expect(await judged('key.pub', image)).toEqual(neither)
    const signed = await ok('image', 'sign', '--key', 'key.pem', '-a', 'env=prod', image)
    expect(signed.stdout).toBe(`${image}@${digest}`)
    expect(await judged('key.pub', image)).toEqual(both)
    expect(await judged('key.pub', image, '-a', 'env=prod')).toEqual(both)
    expect(await judged('key.pub', image, '-a', 'env=dev')).toEqual(neither)
    expect(await judged('other.pub', image)).toEqual(neither)
    const verified = await ok('image', 'verify', '--key', 'key.pub', '--insecure-ignore-tlog', image)
    expect(verified.stdout).toContain(digest)
  })

  it.each([
    ['tag', { 'cosign 2': true, 'cosign 3': true }],
    ['referrer', { 'cosign 2': false, 'cosign 3': true }],
  ])('with --form %s in that form alone', async (form, expected) => {
    const { image, ok, judged, host } = await begin()
    await ok('image', 'copy', 'oci:layout:it', `docker://${image}`)
    await ok('image', 'sign', '--key', 'key.pem', '--form', form, image)
    expect(await judged('key.pub', image)).toEqual(expected)
    const tags = (await ok('image', 'ls', `${host}/app`)).stdout.split('\n')
    expect(tags.filter((tag) => tag.endsWith('.sig'))).toHaveLength(form === 'tag' ? 1 : 0)
  })

  it('--json tells the digest, and where the signatures are', async () => {
    const { image, digest, ok } = await begin()
    await ok('image', 'copy', 'oci:layout:it', `docker://${image}`)
    const { stdout } = await ok('image', 'sign', '--key', 'key.pem', '--json', image)
    expect(JSON.parse(stdout)).toEqual({
      image: `${image}@${digest}`,
      digest,
      signatures: [`${digest.replace(':', '-')}.sig`, expect.stringMatching(/^sha256:[0-9a-f]{64}$/)],
    })
  })

  it('refuses what cannot be signed, or with what, in one message with its exit code, and signs nothing', async () => {
    const { folder, host, image, ok, run, judged } = await begin()
    await ok('image', 'copy', 'oci:layout:it', `docker://${image}`)
    await writeFile(join(folder, 'text'), 'not a key\n')
    await cosign2(folder, ['generate-key-pair'])
    const refused: readonly (readonly [words: readonly string[], code: number, message: RegExp])[] = [
      [['--key', 'none.pem', image], 3, /cannot read the key: there is no such file/],
      [['--key', 'key.pub', image], 2, /it is a public key/],
      [['--key', 'text', image], 2, /not a private key/],
      [['--key', '.', image], 2, /it is a folder, but a file is expected/],
      [['--key', 'cosign.key', image], 10, /encrypted in cosign's own format/],
      [['--key', 'key.pem', `${host}/app:9`], 3, /manifest unknown/],
      [['--key', 'key.pem', '--retry-times', '0', 'localhost:1/app:1'], 4, /cannot be reached/],
      [['--key', 'key.pem', 'oci:layout:it'], 2, /signatures are stored in registries/],
      [['--key', 'key.pem', '-a', 'x', image], 2, /"x" is not an annotation/],
      [[image], 7, /nothing says who is signing/],
      [['--key', 'key.pem'], 2, /IMAGE is missing/],
    ]
    for (const [words, code, message] of refused) {
      const { exitCode, stdout, stderr } = await run('image', 'sign', ...words)
      expect({ words, exitCode, stdout, stderr }).toEqual({
        words,
        exitCode: code,
        stdout: '',
        stderr: expect.stringMatching(message),
      })
      expect(stderr.match(/^error: /gm)).toHaveLength(1)
      expect(stderr).not.toContain('.js:')
    }
    expect(await judged('key.pub', image)).toEqual(neither)
  })

  it('takes the passphrase of a key from COSIGN_PASSWORD', async () => {
    const { folder, env, image, ok, run, judged } = await begin()
    await ok('image', 'copy', 'oci:layout:it', `docker://${image}`)
    await execa('openssl', ['pkey', '-in', 'key.pem', '-aes256', '-passout', 'pass:word', '-out', 'locked.pem'], {
      cwd: folder,
    })
    expect((await run('image', 'sign', '--key', 'locked.pem', image)).exitCode).toBe(7)
    const withPassword = runner(join(root, 'bin/run.js'), { ...env, COSIGN_PASSWORD: 'word' }, folder)
    await withPassword.ok('image', 'sign', '--key', 'locked.pem', image)
    expect(await judged('key.pub', image)).toEqual(both)
  })
})

describe.runIf(canRun)('native image copy --sign', () => {
  it('signs what it has written, for cosign 2 and cosign 3', async () => {
    const { image, digest, ok, judged } = await begin()
    const { stdout } = await ok(
      'image',
      'copy',
      '--sign',
      '--sign-key',
      'key.pem',
      'oci:layout:it',
      `docker://${image}`,
    )
    expect(stdout.split('\n').at(-1)).toBe(digest)
    expect(await judged('key.pub', image)).toEqual(both)
    expect(await judged('other.pub', image)).toEqual(neither)
  })

  it.each<[string, string[], string, number]>([
    ['a key that is not there', ['--sign', '--sign-key', 'none.pem'], 'docker://IMAGE', 3],
    ['a public key', ['--sign', '--sign-key', 'key.pub'], 'docker://IMAGE', 2],
    ['nobody to sign as', ['--sign'], 'docker://IMAGE', 7],
    ['a place that keeps no signatures', ['--sign', '--sign-key', 'key.pem'], 'oci:elsewhere', 2],
    ['a key without --sign', ['--sign-key', 'key.pem'], 'docker://IMAGE', 2],
  ])('refuses %s before anything is written', async (_, words, to, code) => {
    const { host, image, run } = await begin()
    const { exitCode, stderr } = await run('image', 'copy', ...words, 'oci:layout:it', to.replace('IMAGE', image))
    expect({ exitCode, stderr }).toMatchObject({ exitCode: code, stderr: expect.stringMatching(/^error: /m) })
    expect((await run('image', 'inspect', image)).exitCode).toBe(3)
    expect((await run('image', 'ls', `${host}/app`)).exitCode).toBe(3)
  })
})
