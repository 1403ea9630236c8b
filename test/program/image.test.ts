import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { createNative, type Native } from '../fixture/program.ts'

let native: Native

beforeAll(async () => {
  native = await createNative([])
  await mkdir(join(native.home, 'data'))
  await writeFile(join(native.home, 'data/file'), 'content')
  await writeFile(
    join(native.home, 'mine.yaml'),
    'name: mine\nbase: scratch\nplatforms: [linux/amd64, linux/arm64]\nfiles: [{from: data, to: /data}]\n',
  )
  await writeLayout(join(native.home, 'layout'), await makeImage(), 'v1')
})
afterAll(() => native.dispose())

describe('native image', () => {
  it('tag prints one line, and with --json what entered', async () => {
    const { stdout, stderr } = await native.ok('image', 'tag', '--definition', 'mine.yaml')
    expect(stdout).toMatch(/^[0-9a-f]{32}$/)
    expect(stderr).toBe('')
    const json = JSON.parse((await native.ok('image', 'tag', '--definition', 'mine.yaml', '--json')).stdout)
    expect(json).toMatchObject({ tag: stdout, image: 'mine', dirty: false, inputs: { base: 'scratch', fileCount: 1 } })
  })

  it('copy builds, twice the same with --check, and says where it is', async () => {
    const file = join(native.home, 'digest')
    const args = ['--definition', 'mine.yaml', '--platform', 'linux/amd64', '--check', '--digestfile', file, '--json']
    const { stdout } = await native.ok('image', 'copy', ...args, 'oci:built:x')
    const said = JSON.parse(stdout)
    expect(said).toMatchObject({ checked: true, destination: 'oci:built:x' })
    expect(await readFile(file, 'utf8')).toBe(said.digest)
    const again = await native.ok(
      'image',
      'copy',
      '--definition',
      'mine.yaml',
      '--platform',
      'linux/amd64',
      'dir:again',
    )
    expect(again.stdout.trim().split('\n').at(-1)).toBe(said.digest)
  })

  it('copy goes between any two places and says what was skipped', async () => {
    await native.ok('image', 'copy', 'oci:layout:v1', 'oci-archive:a.tar')
    const checked = await native.ok('image', 'copy', '--check', 'oci-archive:a.tar', 'oci:other:v2')
    expect(checked.stderr).toContain('complete: 2 layers for linux/amd64')
    expect((await native.ok('image', 'copy', 'oci-archive:a.tar', 'oci:other:v2')).stderr).toContain('3 already there')
  })

  it.each([
    [2, ['image', 'copy']],
    [2, ['image', 'copy', 'nonsense']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--platform', 'amiga']],
    [3, ['image', 'copy', 'oci:nosuch', 'oci:x']],
    [3, ['image', 'tag', '--definition', 'nosuch.yaml']],
    [4, ['image', 'copy', 'docker://127.0.0.1:1/a:1', 'oci:x', '--retry-times', '0']],
    [5, ['image', 'copy', 'oci:layout', 'oci:data']],
    [2, ['image', 'copy', 'oci:layout', 'kind:']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--key', 'cosign.pub']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--image', 'native']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--definition', 'mine.yaml']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--ref', 'HEAD']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--base', 'oci:layout']],
    [2, ['image', 'copy', 'oci:layout', 'oci:x', '--platform', 'linux/amd64', '--platform', 'linux/arm64']],
    [2, ['image', 'verify', 'oci:layout']],
  ])('ends with %i for %j, and one clear error', async (exitCode, args) => {
    const ran = await native.run(...args)
    expect(ran.exitCode).toBe(exitCode)
    expect(ran.stderr.match(/^error: /gm)).toHaveLength(1)
    expect(ran.stderr).not.toContain('    at ')
  })
})
