import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { wireDigest } from '../../src/client/context.ts'
import { missingDigests } from '../../src/client/execute.ts'
import type { Digest } from '../../src/core/digest.ts'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { errorOfStatus } from '../../src/wire/status.ts'
import { blobOf, seededBlob } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openContext, shell, type TestContext, uploadFolder } from './worker-context.ts'

vi.setConfig({ testTimeout: 30_000 })

/** An input root of files with these contents. */
async function rootOf({ put }: TestContext, files: Record<string, string | Uint8Array>): Promise<Digest> {
  const nodes = []
  for (const name of Object.keys(files).sort()) nodes.push({ name, digest: wireDigest(await put(files[name] ?? '')) })
  return put(re.Directory.encode({ files: nodes }).finish())
}

/** The cached file of a blob. */
function cachedPath({ directory }: TestContext, { hash, size }: Digest, executable = false): string {
  return join(directory, 'cache', hash.slice(0, 2), `sha256-${hash}-${size}${executable ? 'x' : ''}`)
}

describe('the input root', () => {
  test('files, folders, empty ones too, and symlinks are as the tree says', async () => {
    const context = await openContext()
    const folder = await testFolder()
    mkdirSync(join(folder, 'd/empty'), { recursive: true })
    writeFileSync(join(folder, 'd/f'), 'content')
    writeFileSync(join(folder, 'nothing'), '')
    symlinkSync('d/f', join(folder, 'l'))
    symlinkSync('/etc/hostname', join(folder, 'absolute'))
    const { stdout } = await context.perform({
      root: await uploadFolder(context.cas, folder),
      command: shell('find . | sort; cat l; readlink absolute; stat -c %a d/f'),
    })
    expect(stdout).toBe('.\n./absolute\n./d\n./d/empty\n./d/f\n./l\n./nothing\ncontent/etc/hostname\n444\n')
  })

  test('rule 25: everything that is missing is told at once', async () => {
    const context = await openContext()
    const [a, b, here] = [blobOf('a').digest, seededBlob(1, 2_000_000).digest, await context.put('here')]
    const root = await context.put(
      re.Directory.encode({
        files: [
          { name: 'a', digest: wireDigest(a) },
          { name: 'b', digest: wireDigest(b) },
          { name: 'c', digest: wireDigest(here) },
        ],
      }).finish(),
    )
    const { response } = await context.perform({ root, command: shell('true') })
    const error = errorOfStatus(response.status)
    expect(error?.code).toBe(Code.FAILED_PRECONDITION)
    expect(error && new Set(missingDigests(error).map((each) => each.hash))).toEqual(new Set([a.hash, b.hash]))
  })

  test.each([
    ['a name that leads out', { files: [{ name: '../x', digest: wireDigest(blobOf('').digest) }] }],
    [
      'a name that occurs twice',
      {
        symlinks: [{ name: 'd', target: '/tmp' }],
        directories: [{ name: 'd', digest: wireDigest(blobOf('').digest) }],
      },
    ],
    [
      'names out of order',
      { directories: ['b', 'a'].map((name) => ({ name, digest: wireDigest(blobOf('').digest) })) },
    ],
    ['a digest that is none', { files: [{ name: 'f', digest: { hash: 'XYZ', sizeBytes: 1 } }] }],
  ])('rule 39: %s is refused', async (_what, directory) => {
    const context = await openContext()
    const root = await context.put(re.Directory.encode(directory).finish())
    const { response } = await context.perform({ root, command: shell('true') })
    expect(response.status?.code).toBe(Code.INVALID_ARGUMENT)
  })

  test('a small tree that unfolds to a huge one is refused', async () => {
    const context = await openContext()
    let digest = await context.put(re.Directory.encode({ symlinks: [{ name: 'l', target: 'x' }] }).finish())
    for (let level = 0; level < 24; level += 1)
      digest = await context.put(
        re.Directory.encode({
          directories: [
            { name: 'a', digest: wireDigest(digest) },
            { name: 'b', digest: wireDigest(digest) },
          ],
        }).finish(),
      )
    const { response } = await context.perform({ root: digest, command: shell('true') })
    expect(response.status).toMatchObject({ code: Code.INVALID_ARGUMENT, message: expect.stringContaining('entries') })
  })
})

describe('the cache of inputs', () => {
  test('nothing is fetched twice, by one action after another or by eight at once', async () => {
    const context = await openContext()
    const root = await rootOf(context, { a: 'small', b: seededBlob(1, 2_000_000).bytes })
    const run = () => context.perform({ root, command: shell('cat a') })
    const all = await Promise.all(Array.from({ length: 8 }, run))
    expect(all.map((each) => each.stdout)).toEqual(Array(8).fill('small'))
    await run()
    expect(context.remote.calls.get('Read')).toBe(1)
    expect(context.context.inputs.content.fetchedBytes).toBe(5 + 2_000_000)
  })

  test('the executable and the plain file of one blob are one transfer', async () => {
    const context = await openContext()
    const digest = wireDigest(await context.put('#!/bin/sh\n'))
    const one = await context.put(re.Directory.encode({ files: [{ name: 'f', digest }] }).finish())
    const two = await context.put(re.Directory.encode({ files: [{ name: 'f', digest, isExecutable: true }] }).finish())
    await context.perform({ root: one, command: shell('true') })
    expect((await context.perform({ root: two, command: { arguments: ['./f'] } })).result.exitCode).toBe(0)
    expect(context.context.inputs.content.fetchedBytes).toBe(10)
  })

  test('it keeps its bound, and gives up what was not used for longest', async () => {
    const context = await openContext({ cacheBytes: 250_000 })
    const blobs = [0, 1, 2].map((i) => seededBlob(i, 100_000))
    const roots = []
    for (const { bytes } of blobs) roots.push(await rootOf(context, { f: bytes }))
    const [a, b, c] = roots
    for (const root of [a, b, a, c]) if (root) await context.perform({ root, command: shell('cat f > /dev/null') })
    expect(context.context.inputs.content.bytes).toBe(200_000)
    const held = blobs.map(({ digest }) => existsSync(cachedPath(context, digest)))
    expect(held).toEqual([true, false, true])
  })

  test('an action whose inputs are larger than the bound still has all of them', async () => {
    const context = await openContext({ cacheBytes: 1000 })
    const root = await rootOf(context, { a: seededBlob(0, 2000).bytes, b: seededBlob(1, 2000).bytes })
    const { stdout } = await context.perform({ root, command: shell('cat a b | wc -c') })
    expect(stdout.trim()).toBe('4000')
    expect(context.context.inputs.content.bytes).toBe(0)
  })

  test('it is used again after a restart, but only what still has its hash', async () => {
    const directory = await testFolder()
    const first = await openContext({ directory })
    const root = await rootOf(first, { good: 'good', spoiled: 'before' })
    await first.perform({ root, command: shell('true') })
    const path = cachedPath(first, blobOf('before').digest)
    chmodSync(path, 0o644)
    writeFileSync(path, 'behind')
    chmodSync(path, 0o444)
    utimesSync(path, 946_684_800, 946_684_800)

    const second = await openContext({ directory })
    expect(second.context.inputs.content.bytes).toBe(10)
    await rootOf(second, { good: 'good', spoiled: 'before' })
    const { stdout } = await second.perform({ root, command: shell('cat good spoiled') })
    expect(stdout).toBe('goodbefore')
    expect(second.context.inputs.content.fetchedBytes).toBe('before'.length)
  })
})

test('what an action only reads, or what was only removed, is never fetched again', async () => {
  const context = await openContext()
  const root = await rootOf(context, { f: 'intact' })
  const inode = () => statSync(cachedPath(context, blobOf('intact').digest)).ino
  await context.perform({ root, command: shell('cat f') })
  const before = inode()
  await context.perform({ root, command: shell('rm -f f') })
  await context.perform({ root, command: shell('cat f') })
  expect(inode()).toBe(before)
  expect(context.context.inputs.content.fetchedBytes).toBe(6)
})

describe.each(['auto', 'copy', 'links'] as const)(
  'inputs: %s: an action cannot spoil an input for the next one',
  (inputs) => {
    // These run as root where the tests do: permissions alone would not stop them.
    const force = 'chmod u+w f 2>/dev/null; '
    test.each([
      ['writes over it', `${force} printf spoilt > f`],
      ['writes over it and sets its time back', `${force} printf spoilt > f; touch -d @946684800 f; chmod 444 f`],
      ['appends to it', `${force} echo more >> f`],
      ['truncates it', `${force} : > f`],
      ['changes its mode', 'chmod 777 f'],
      ['makes it unreadable', 'chmod 000 f'],
      ['removes it', 'rm -f f'],
      ['renames it', 'mv f g'],
      ['makes another link to it and writes there', `${force} ln f g; printf spoilt > g`],
      ['replaces it', 'rm -f f; echo other > f'],
    ])('%s', async (_what, script) => {
      const context = await openContext({ inputs })
      const root = await rootOf(context, { f: 'intact' })
      const digest = blobOf('intact').digest
      for (let round = 0; round < 3; round += 1) {
        expect((await context.perform({ root, command: shell(script) })).result.exitCode).toBe(0)
        const { stdout } = await context.perform({ root, command: shell('cat f; stat -c " %a" f') })
        expect(stdout).toBe('intact 444\n')
      }
      expect(readFileSync(cachedPath(context, digest), 'utf8')).toBe('intact')
    })

    test('what is changed after the answer, while the folder is still there, is noticed too', async () => {
      const context = await openContext({ inputs })
      const root = await rootOf(context, { f: 'intact' })
      await context.perform({
        root,
        command: shell('cat f'),
        onAnswered(folder) {
          const path = join(folder, 'f')
          const { atime, mtime } = statSync(path)
          chmodSync(path, 0o644)
          writeFileSync(path, 'spoilt')
          chmodSync(path, 0o444)
          utimesSync(path, atime, mtime)
        },
      })
      expect((await context.perform({ root, command: shell('cat f') })).stdout).toBe('intact')
    })
  },
)

describe('copies that actions have left untouched', () => {
  const inodeOf = (stdout: string) => stdout.trim()
  const look = shell('stat -c %i f')

  test.each([
    ['small', 6],
    ['large', 1_000_000],
  ])('are given to one action after the other: %s ones', async (_what, size) => {
    const context = await openContext()
    const root = await rootOf(context, { f: seededBlob(1, size).bytes })
    const first = inodeOf((await context.perform({ root, command: look })).stdout)
    expect(inodeOf((await context.perform({ root, command: look })).stdout)).toBe(first)
    expect(statSync(cachedPath(context, seededBlob(1, size).digest)).ino).not.toBe(Number(first))
  })

  test('are given as whole folders, with all that is in them', async () => {
    const context = await openContext()
    const folder = await testFolder()
    mkdirSync(join(folder, 'd/below'), { recursive: true })
    for (const name of ['a', 'below/b']) writeFileSync(join(folder, 'd', name), name)
    writeFileSync(join(folder, 'd/nothing'), '')
    symlinkSync('a', join(folder, 'd/link'))
    const root = await uploadFolder(context.cas, folder)
    const list = shell('find d -printf "%p %i %m %l\\n" | sort; cat d/a d/below/b d/link')
    const first = (await context.perform({ root, command: list })).stdout
    expect(first).toContain('abelow/ba')
    expect((await context.perform({ root, command: list })).stdout).toBe(first)
    expect(readdirSync(join(context.directory, 'cache/folders'))).toHaveLength(1)
    // The same folder below another name.
    mkdirSync(join(folder, 'other'))
    renameSync(join(folder, 'd'), join(folder, 'other/e'))
    const moved = await uploadFolder(context.cas, folder)
    const again = shell('find other/e -printf "%p %i %m %l\\n" | sort; cat other/e/a other/e/below/b other/e/link')
    expect((await context.perform({ root: moved, command: again })).stdout).toBe(first.replace(/^d/gm, 'other/e'))
  })

  test.each([
    ['a new file', 'echo x > d/new'],
    ['a new file that is gone again', 'echo x > d/new; rm d/new'],
    ['a file less', 'rm -f d/a'],
    ['a folder less', 'rm -rf d/below'],
    ['a changed file', 'chmod u+w d/a; echo x > d/a'],
    ['a file with another mode', 'chmod 777 d/below/b'],
    ['a folder with another mode', 'chmod 700 d/below'],
    ['another symlink', 'ln -sfn nothing d/link'],
    ['content where there was none', 'chmod u+w d/nothing; echo x > d/nothing'],
    ['a symlink for a folder', 'mv d/below d/away; ln -s away d/below'],
    ['a symlink to a copy', 'cp -a d /tmp/d; rm -rf d; ln -s /tmp/d d'],
    ['a file for the folder', 'rm -rf d; echo x > d'],
    ['times that were set back', 'chmod u+w d/a; echo A > d/a; chmod u-w d/a; touch -d 2000-01-01T00:00Z d/a'],
  ])('do not tell the next action what this one did: %s', async (_what, script) => {
    const context = await openContext()
    const folder = await testFolder()
    for (const name of ['d/below', 'other']) mkdirSync(join(folder, name), { recursive: true })
    for (const name of ['d/a', 'd/below/b', 'other/c']) writeFileSync(join(folder, name), name)
    writeFileSync(join(folder, 'd/nothing'), '')
    symlinkSync('a', join(folder, 'd/link'))
    const root = await uploadFolder(context.cas, folder)
    const list = shell(
      'find d -printf "%p %m %l %s\\n" | sort; cat d/a d/below/b d/link d/nothing; stat -c " %i" other',
    )
    const before = (await context.perform({ root, command: list })).stdout
    const { result, stderr } = await context.perform({ root, command: shell(script) })
    expect([result.exitCode, stderr]).toEqual([0, ''])
    // What it has not touched is the same folder as before.
    expect((await context.perform({ root, command: list })).stdout).toBe(before)
  })

  test('of a large file are there for folders of other content', async () => {
    const context = await openContext()
    const folder = await testFolder()
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'd/f'), seededBlob(2, 1_000_000).bytes)
    const run = async (own: string) => {
      writeFileSync(join(folder, 'd/own'), own)
      const root = await uploadFolder(context.cas, folder)
      return (await context.perform({ root, command: shell('stat -c %i d/f; cat d/own') })).stdout
    }
    const first = await run('1')
    expect(await run('2')).toBe(first.replace(/1$/, '2'))
  })

  test('go when the cache is full, folders too', async () => {
    const context = await openContext({ cacheBytes: 40_000 })
    const run = async (name: string) => {
      const folder = await testFolder()
      mkdirSync(join(folder, 'd'))
      writeFileSync(join(folder, 'd/f'), name.repeat(5_000))
      await context.perform({ root: await uploadFolder(context.cas, folder), command: shell('true') })
    }
    for (const name of 'abcdef') await run(name)
    // Each takes 5,000 bytes in the cache, and 9,096 as a folder.
    expect(context.context.inputs.content.bytes).toBeLessThanOrEqual(40_000)
    expect(readdirSync(join(context.directory, 'cache/folders')).length).toBeLessThanOrEqual(1)
  })

  test('are never with two actions at once', async () => {
    const context = await openContext()
    const root = await rootOf(context, { f: 'intact' })
    await context.perform({ root, command: look })
    const meeting = await testFolder()
    const both = ['a', 'b'].map((own, at) =>
      context.perform({
        root,
        command: shell(
          `stat -c %i f; touch ${meeting}/${own}; until [ -e ${meeting}/${'ba'[at]} ]; do sleep 0.02; done`,
        ),
      }),
    )
    const [a, b] = await Promise.all(both)
    expect(a?.stdout).not.toBe(b?.stdout)
  })

  test.each([
    ['another link to it', 'ln f ../kept'],
    [
      'a change that was taken back',
      'chmod u+w f; printf spoilt > f; printf intact > f; chmod 444 f; touch -d @946684800 f',
    ],
    ['another name', 'mv f g; cp g f; chmod 444 f; touch -d @946684800 f'],
  ])('are not used after %s', async (_what, script) => {
    const context = await openContext()
    const root = await rootOf(context, { f: 'intact' })
    const { stdout } = await context.perform({ root, command: shell(`stat -c %i f; ${script}`) })
    const after = await context.perform({ root, command: shell('stat -c %i f >&2; cat f') })
    expect(after.stdout).toBe('intact')
    if (script.startsWith('ln')) expect(after.stderr).not.toBe(stdout)
  })

  test('keep none of what an action with node properties had', async () => {
    const context = await openContext()
    const digest = wireDigest(await context.put('intact'))
    const nodeProperties = { mtime: { seconds: 1 }, unixMode: { value: 0o600 } }
    const root = await context.put(re.Directory.encode({ files: [{ name: 'f', digest, nodeProperties }] }).finish())
    await context.perform({ root, command: look })
    const plain = await rootOf(context, { f: 'intact' })
    expect((await context.perform({ root: plain, command: shell('stat -c "%a %Y" f') })).stdout).toBe('444 946684800\n')
  })

  test('are gone with inputs: copy', async () => {
    const context = await openContext({ inputs: 'copy' })
    const root = await rootOf(context, { f: 'intact' })
    await context.perform({ root, command: look })
    expect(context.context.inputs.content.bytes).toBe('intact'.length)
  })
})

describe('inputs: links', () => {
  test('an action that had the input at the same time runs again, with a copy of its own', async () => {
    const context = await openContext({ inputs: 'links' })
    const root = await rootOf(context, { f: 'intact' })
    const meeting = await testFolder()
    // The reader reads only after the writer has written into the file that both share.
    const reader = context.perform({
      root,
      command: shell(`echo run >> ${meeting}/runs; until [ -e ${meeting}/spoilt ]; do sleep 0.02; done; cat f`),
    })
    const writer = context.perform({
      root,
      command: shell(
        `until [ -e ${meeting}/runs ]; do sleep 0.02; done; chmod u+w f; printf spoilt > f; touch ${meeting}/spoilt`,
      ),
    })
    expect((await writer).result.exitCode).toBe(0)
    expect((await reader).stdout).toBe('intact')
    expect(readFileSync(join(meeting, 'runs'), 'utf8').split('run').length - 1).toBe(2)
  })

  test('after that the file is copied for each action, so that nobody shares it any more', async () => {
    const context = await openContext({ inputs: 'links' })
    const root = await rootOf(context, { f: 'intact' })
    await context
      .perform({ root, command: shell('cat f; stat -c %h f') })
      .then(({ stdout }) => expect(stdout).toBe('intact2\n'))
    await context.perform({ root, command: shell('chmod u+w f; printf spoilt > f') })
    await context.perform({ root, command: shell('true') })
    expect((await context.perform({ root, command: shell('stat -c %h f') })).stdout).toBe('1\n')
  })
})

test('S2: leftovers of a dead worker, and what others have put there, are removed at the start', async () => {
  const directory = await testFolder()
  mkdirSync(join(directory, 'work/7/sub'), { recursive: true })
  mkdirSync(join(directory, 'cache/ab'), { recursive: true })
  writeFileSync(join(directory, 'work/7/sub/f'), 'x')
  writeFileSync(join(directory, 'cache/ab/garbage'), 'x')
  writeFileSync(join(directory, 'cache/.DS_Store'), 'x')
  symlinkSync('nowhere', join(directory, 'cache/dangling'))
  mkdirSync(join(directory, `cache/ab/sha256-${'ab'.repeat(32)}-1/d`), { recursive: true })
  await openContext({ directory })
  expect(readdirSync(join(directory, 'work'))).toEqual([])
  expect(readdirSync(join(directory, 'cache'), { recursive: true })).toEqual(['ab'])
})
