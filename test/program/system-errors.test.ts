import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { createNative, type Native, type Ran, root, runner } from '../fixture/program.ts'

let native: Native
beforeAll(async () => {
  native = await createNative([])
  await writeFile(join(native.home, 'file'), 'text')
  await symlink('circle', join(native.home, 'circle'))
  await writeLayout(join(native.home, 'layout'), await makeImage(), 'v1')
})
afterAll(() => native.dispose())

async function serve(role: string, config: string): Promise<Ran> {
  const file = join(native.home, `${role}.yaml`)
  await writeFile(file, config)
  return native.run('serve', role, '--config', file)
}

const upWith = (env: Readonly<Record<string, string>>): Promise<Ran> =>
  runner(join(root, 'bin/run.js'), { ...native.env, ...env }, native.home).run('up')
const image = (...args: string[]): Promise<Ran> => native.run('image', ...args)
const signedBy = ['--certificate-identity', 'a@b.example', '--certificate-oidc-issuer', 'https://b.example']
const remote = 'localhost:1/team/app:1'

/** Commands that are given a path inside of `base`. */
const commands: readonly (readonly [string, (base: string) => Promise<Ran>])[] = [
  ['up', (base) => upWith({ XDG_STATE_HOME: base })],
  ['up, its data', (base) => upWith({ XDG_DATA_HOME: base })],
  [
    'serve cas, its store',
    (base) => serve('cas', `listen: 127.0.0.1:0\nstore: {kind: disk, path: ${join(base, 's')}, size: 1GB}\n`),
  ],
  [
    'serve worker, its folder',
    (base) =>
      serve('worker', `scheduler: grpc://127.0.0.1:1\ncas: grpc://127.0.0.1:1\ndirectory: ${join(base, 'w')}\n`),
  ],
  ['serve cas, its configuration', (base) => native.run('serve', 'cas', '--config', join(base, 'cas.yaml'))],
  ['image copy, to', (base) => image('copy', 'oci:layout:v1', `oci:${join(base, 'lay')}`)],
  ['image copy, from', (base) => image('copy', `oci-archive:${join(base, 'a.tar')}`, 'oci:never')],
  ['image copy, from a layout', (base) => image('copy', `oci:${join(base, 'lay')}`, 'oci:never')],
  ['image verify --policy', (base) => image('verify', '--policy', join(base, 'p.yaml'), remote)],
  ['image verify --key', (base) => image('verify', '--key', join(base, 'cosign.pub'), remote)],
  [
    'image verify --trusted-root',
    (base) => image('verify', '--trusted-root', join(base, 'root.json'), ...signedBy, remote),
  ],
  ['image sign --key', (base) => image('sign', '--key', join(base, 'key.pem'), remote)],
  ['example', (base) => native.run('example', join(base, 'workspace'))],
  ['bazelrc --remove', (base) => native.run('bazelrc', '--remove', join(base, '.bazelrc'))],
]

describe.each([
  ['below a file', 'file', 'is a file, not a folder'],
  ['of symbolic links in a circle', 'circle', 'the symbolic links'],
  ['with a name that is too long', 'long'.repeat(100), 'the name is too long'],
])('a path %s is told alike by every command, with what to do', (_, base, says) => {
  it.each(commands)('%s', async (_, run) => {
    const { exitCode, stderr } = await run(join(native.home, base))
    expect(stderr).toContain(says)
    expect(stderr).toMatch(/\n {2}at .+\n {2}→ /)
    expect(stderr).not.toContain('a mistake in `native`')
    // Node's own warnings, of what libraries tried.
    expect(stderr).not.toContain('(node:')
    expect(exitCode).toBe(2)
  })
})
