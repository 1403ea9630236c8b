import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { wireDigest } from '../../src/client/context.ts'
import { materialiseOutputs } from '../../src/client/outputs.ts'
import { digestText } from '../../src/core/digest.ts'
import { checkDirectory } from '../../src/core/directory.ts'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openContext, shell, uploadFolder } from './worker-context.ts'

vi.setConfig({ testTimeout: 30_000 })

describe('rule 35: dialects', () => {
  test('output_paths takes files, directories and symlinks, and the older fields are then ignored', async () => {
    const { perform } = await openContext()
    const { result } = await perform({
      command: shell('echo f > f; mkdir d; ln -s f l; echo n > named', {
        outputPaths: ['d', 'f', 'l'],
        outputFiles: ['named', 'd'],
        outputDirectories: ['f'],
      }),
    })
    expect(result.outputFiles?.map((each) => each.path)).toEqual(['f'])
    expect(result.outputDirectories?.map((each) => each.path)).toEqual(['d'])
    expect(result.outputSymlinks?.map((each) => each.path)).toEqual(['l'])
  })

  test('output_files and output_directories of a 2.0 client', async () => {
    const { perform } = await openContext()
    const { result, file } = await perform({
      command: shell('echo f > o/f; echo x > o/d/x', { outputFiles: ['o/f'], outputDirectories: ['o/d'] }),
    })
    expect(await file('o/f')).toBe('f\n')
    expect(result.outputDirectories?.map((each) => each.path)).toEqual(['o/d'])
  })
})

describe('rule 36: parents and absences', () => {
  test('the parents of outputs are there, the outputs themselves are not, absent outputs are left out', async () => {
    const { perform } = await openContext()
    const { stdout, result, response } = await perform({
      command: shell('ls -d a/b c c/d 2>/dev/null', { outputPaths: ['a/b/f', 'c/d', 'x'] }),
    })
    expect(stdout).toBe('a/b\nc\n')
    expect(response.status?.code ?? 0).toBe(Code.OK)
    expect([result.outputFiles, result.outputDirectories]).toEqual([[], []])
  })

  test('the output_directories of a 2.0 client are there themselves: Bazel 4 relies on it', async () => {
    const { perform } = await openContext()
    const { stdout, result } = await perform({
      command: shell('ls -d a b c/d 2>/dev/null', { outputFiles: ['a/f', 'b'], outputDirectories: ['c/d'] }),
    })
    expect(stdout).toBe('a\nc/d\n')
    expect(result.outputDirectories?.map((each) => each.path)).toEqual(['c/d'])
  })

  test('a directory in the place of an output file is FAILED_PRECONDITION, and the other way around', async () => {
    const { perform } = await openContext()
    const directory = await perform({ command: shell('mkdir f', { outputFiles: ['f'] }) })
    const file = await perform({ command: shell('rmdir d; echo > d', { outputDirectories: ['d'] }) })
    expect(directory.response.status).toMatchObject({ code: Code.FAILED_PRECONDITION })
    expect(file.response.status?.code).toBe(Code.FAILED_PRECONDITION)
  })

  test('so is a symlink that leads to the other one; one that leads nowhere is what was asked for', async () => {
    const { perform } = await openContext()
    const toDirectory = await perform({ command: shell('mkdir d; ln -s d f', { outputFiles: ['f'] }) })
    expect(toDirectory.response.status).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      message: expect.stringContaining('a symbolic link to a directory'),
    })
    const toFile = await perform({ command: shell('rmdir d; echo > f; ln -s f d', { outputDirectories: ['d'] }) })
    expect(toFile.response.status?.code).toBe(Code.FAILED_PRECONDITION)
    const nowhere = await perform({
      command: shell('rmdir d; ln -s gone f; ln -s gone d', { outputFiles: ['f'], outputDirectories: ['d'] }),
    })
    expect(nowhere.response.status?.code ?? 0).toBe(Code.OK)
    expect(nowhere.result.outputFileSymlinks?.map(({ path }) => path)).toEqual(['f'])
    expect(nowhere.result.outputDirectorySymlinks?.map(({ path }) => path)).toEqual(['d'])
    const any = await perform({ command: shell('mkdir d; ln -s d l', { outputPaths: ['l'] }) })
    expect(any.result.outputDirectorySymlinks?.map(({ path }) => path)).toEqual(['l'])
  })

  test('an output that cannot be read from a pipe is refused rather than waited for', async () => {
    const { perform } = await openContext()
    const { response } = await perform({ command: shell('mkfifo p', { outputPaths: ['p'] }) })
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
  })

  test('an input in the place of a parent is refused', async () => {
    const { perform, cas } = await openContext()
    const folder = await testFolder()
    writeFileSync(join(folder, 'a'), '')
    const root = await uploadFolder(cas, folder)
    const { response } = await perform({ root, command: shell('true', { outputPaths: ['a/b/c'] }) })
    expect(response.status?.code).toBe(Code.INVALID_ARGUMENT)
  })
})

test('rule 37: output paths are relative to the working directory, and may go up but not out', async () => {
  const { perform, cas } = await openContext()
  const folder = await testFolder()
  mkdirSync(join(folder, 'w'))
  const root = await uploadFolder(cas, folder)
  const run = (path: string) =>
    perform({ root, command: shell(`echo x > ${path}`, { workingDirectory: 'w', outputPaths: [path] }) })
  expect(await (await run('in/f')).file('in/f')).toBe('x\n')
  expect(await (await run('../up/f')).file('../up/f')).toBe('x\n')
  expect(await (await run('./in/f')).file('./in/f')).toBe('x\n')
  for (const path of ['../../out', '/tmp/out', 'a//b'])
    expect((await run(path)).response.status?.code).toBe(Code.INVALID_ARGUMENT)
})

test('an output behind a symlink that leads out is not taken', async () => {
  const { perform } = await openContext()
  const outside = await testFolder()
  writeFileSync(join(outside, 'secret'), 'secret')
  const { response } = await perform({ command: shell(`ln -s ${outside} d`, { outputPaths: ['e/f', 'd/secret'] }) })
  // The parent `d` was made before the action ran, which then put its link inside it.
  expect(response.status?.code ?? 0).toBe(Code.OK)
  const moved = await perform({
    command: shell(`rmdir d && ln -s ${outside} d`, { outputPaths: ['d/secret'] }),
  })
  expect(moved.response.status?.code).toBe(Code.FAILED_PRECONDITION)
})

test('no folder for an output is made behind a symlink among the inputs that leads out', async () => {
  const { perform, put } = await openContext()
  const outside = await testFolder()
  const root = await put(re.Directory.encode({ symlinks: [{ name: 'out', target: outside }] }).finish())
  const { response } = await perform({ root, command: shell('true', { outputPaths: ['out/made/f'] }) })
  expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
  expect(readdirSync(outside)).toEqual([])
})

describe('rule 39: directories', () => {
  const script = 'mkdir -p d/b d/a/same d/c/same d/empty; echo s > d/a/same/f; echo s > d/c/same/f; echo z > d/z'
  const load = async (
    context: Awaited<ReturnType<typeof openContext>>,
    digest: re.Digest.$Properties | null | undefined,
  ) => context.cas.readBlob({ fn: 'sha256', hash: digest?.hash ?? '', size: digest?.sizeBytes ?? 0 })

  test('a Tree is canonical, its children once and after their parents', async () => {
    const context = await openContext()
    const { result } = await context.perform({ command: shell(script, { outputPaths: ['d'] }) })
    const output = result.outputDirectories?.[0]
    expect(output).toMatchObject({ path: 'd', isTopologicallySorted: true })
    expect(output?.rootDirectoryDigest).toBeUndefined()
    const tree = re.Tree.decode(await load(context, output?.treeDigest))
    for (const each of [tree.root ?? {}, ...tree.children]) checkDirectory(each)
    // a, c and same are two different ones, b and empty are one.
    const digests = tree.children.map((each) => digestText(blobOf(re.Directory.encode(each).finish()).digest))
    expect(new Set(digests).size).toBe(digests.length)
    expect(tree.children).toHaveLength(3)
    for (const [i, each] of tree.children.entries())
      for (const child of each.directories ?? [])
        expect(digests.indexOf(`${child.digest?.hash}/${child.digest?.sizeBytes ?? 0}`)).toBeGreaterThan(i)
  })

  test.each([
    [1, false, true],
    [2, true, true],
  ])('output_directory_format %i: Tree %s, directories %s', async (outputDirectoryFormat, hasTree, hasRoot) => {
    const context = await openContext()
    const { result } = await context.perform({ command: shell(script, { outputPaths: ['d'], outputDirectoryFormat }) })
    const output = result.outputDirectories?.[0]
    expect(output?.treeDigest != null).toBe(hasTree)
    expect(output?.rootDirectoryDigest != null).toBe(hasRoot)
    const target = await testFolder()
    await materialiseOutputs(
      context.cas,
      { outputDirectories: [{ path: 'd', rootDirectoryDigest: output?.rootDirectoryDigest ?? null }] },
      target,
      { asked: ['d'] },
    )
  })

  test('an empty output directory is a Tree of two bytes', async () => {
    const context = await openContext()
    const { result } = await context.perform({ command: shell('mkdir d', { outputPaths: ['d'] }) })
    expect(result.outputDirectories?.[0]?.treeDigest?.sizeBytes).toBe(2)
  })

  test('the whole working directory can be an output', async () => {
    const context = await openContext()
    const { result } = await context.perform({ command: shell('echo f > f', { outputDirectories: [''] }) })
    const tree = re.Tree.decode(await load(context, result.outputDirectories?.[0]?.treeDigest))
    expect(tree.root?.files?.map((each) => each.name)).toEqual(['f'])
  })
})

describe('rule 40: executable bits and node properties', () => {
  test('the executable bit makes the way there and back', async () => {
    const { perform, cas } = await openContext()
    const folder = await testFolder()
    writeFileSync(join(folder, 'tool'), '#!/bin/sh\necho ran\n', { mode: 0o755 })
    writeFileSync(join(folder, 'data'), 'data')
    const root = await uploadFolder(cas, folder)
    const { result, stdout } = await perform({
      root,
      command: shell('./tool; cp tool copy; cp data other', { outputPaths: ['copy', 'other'] }),
    })
    expect(stdout).toBe('ran\n')
    expect(result.outputFiles?.map((each) => each.isExecutable)).toEqual([true, false])
  })

  test('properties come only when asked for; unknown ones are INVALID_ARGUMENT', async () => {
    const { perform } = await openContext()
    const make = (outputNodeProperties: string[]) =>
      perform({
        command: shell('echo f > f; chmod 640 f; touch -d @1000000000 f', { outputPaths: ['f'], outputNodeProperties }),
      })
    expect((await make([])).result.outputFiles?.[0]?.nodeProperties).toBeUndefined()
    expect((await make(['mtime', 'unix_mode'])).result.outputFiles?.[0]?.nodeProperties).toEqual({
      mtime: { seconds: 1_000_000_000, nanos: 0 },
      unixMode: { value: 0o640 },
    })
    expect((await make(['colour'])).response.status?.code).toBe(Code.INVALID_ARGUMENT)
  })

  test('properties of inputs are set', async () => {
    const { perform, put } = await openContext()
    const digest = await put('content')
    const node = { mtime: { seconds: 1_000_000_000 }, unixMode: { value: 0o600 } }
    const root = await put(
      re.Directory.encode({
        files: [{ name: 'f', digest: { hash: digest.hash, sizeBytes: digest.size }, nodeProperties: node }],
      }).finish(),
    )
    const { stdout } = await perform({ root, command: shell('stat -c "%a %Y" f') })
    expect(stdout).toBe('600 1000000000\n')
  })

  test.each([
    [1_700_000_000, 123_456_789],
    [1_700_000_000, 1],
    [0, 0],
    [0, 1],
    [-1, 500_000_000],
    [-1, 999_999_999],
    [-86_400, 0],
    [-86_401, 1],
    [4_102_444_800, 999_999_999],
  ])('D8: a time of %i s and %i ns comes in and goes out as it is', async (seconds, nanos) => {
    const { perform, put } = await openContext()
    const files = []
    // One small, one large.
    for (const [name, size] of [
      ['a', 5],
      ['b', 300_000],
    ] as const)
      files.push({
        name,
        digest: wireDigest(await put(Buffer.alloc(size, name))),
        nodeProperties: { mtime: { seconds, nanos } },
      })
    const { stdout, result } = await perform({
      root: await put(re.Directory.encode({ files }).finish()),
      command: shell('stat -c %.9Y a b', { outputPaths: ['a', 'b'], outputNodeProperties: ['mtime'] }),
    })
    const time = Number(BigInt(seconds) * 1_000_000_000n + BigInt(nanos))
    expect(
      stdout
        .split('\n')
        .slice(0, 2)
        .map((text) => Math.round(Number(text) * 1e9)),
    ).toEqual([time, time])
    const mtimes = result.outputFiles?.map((file) => file.nodeProperties?.mtime)
    expect(mtimes).toEqual([
      { seconds, nanos },
      { seconds, nanos },
    ])
  })
})

describe('rule 41: symlinks', () => {
  test('they stay as they are, and stand in the newer field and in the one that fits what they lead to', async () => {
    const { perform } = await openContext()
    const script = 'echo f > f; mkdir d; ln -s f lf; ln -s d ld; ln -s nowhere ln; ln -s /abs la'
    const { result } = await perform({ command: shell(script, { outputPaths: ['la', 'ld', 'lf', 'ln'] }) })
    const paths = (links: re.OutputSymlink.$Properties[] | null | undefined) => links?.map((each) => each.path)
    expect(paths(result.outputSymlinks)).toEqual(['la', 'ld', 'lf', 'ln'])
    expect(paths(result.outputFileSymlinks)).toEqual(['la', 'lf', 'ln'])
    expect(paths(result.outputDirectorySymlinks)).toEqual(['ld'])
    expect(result.outputSymlinks?.[0]?.target).toBe('/abs')
  })

  test('a link that a 2.0 client named as directory stands there, even when it leads nowhere', async () => {
    const { perform } = await openContext()
    const { result } = await perform({ command: shell('rmdir l; ln -s nowhere l', { outputDirectories: ['l'] }) })
    expect(result.outputDirectorySymlinks?.map((each) => each.path)).toEqual(['l'])
  })
})

describe('symlinks to absolute paths', () => {
  const script = [
    'mkdir -p d/sub o; echo f > d/f',
    'ln -s $PWD/d/f a; ln -s $PWD/d/f d/b; ln -s $PWD c; ln -s $PWD/nowhere e; ln -s $PWD/../out g; ln -s "$PWD"x h',
    'ln -s $PWD/d/f o/in; ln -s $PWD/o/in o/own; mkdir o/deep; ln -s $PWD/o o/deep/up; ln -s /etc/passwd o/abs',
  ].join('\n')

  test('become relative where they lead into the action’s own folder; others stay', async () => {
    const { perform } = await openContext()
    const outputPaths = ['a', 'c', 'd/b', 'e', 'g', 'h']
    const { result } = await perform({ command: shell(script, { outputPaths }) })
    const targets = Object.fromEntries((result.outputSymlinks ?? []).map(({ path, target }) => [path, target]))
    expect(targets).toMatchObject({ a: 'd/f', 'd/b': 'f', c: '.', e: 'nowhere' })
    expect(targets['g']).toMatch(/^\/.*\/\.\.\/out$/)
    expect(targets['h']).toMatch(/^\/.*x$/)
    expect(result.outputFileSymlinks?.find(({ path }) => path === 'a')?.target).toBe('d/f')
    expect(result.outputDirectorySymlinks?.find(({ path }) => path === 'c')?.target).toBe('.')
  })

  test('inside output directories too, and from a working directory', async () => {
    const context = await openContext()
    const { result } = await context.perform({
      command: shell(`cd ..; ${script}; mv o w`, { workingDirectory: 'w', outputPaths: ['o'] }),
    })
    const tree = re.Tree.decode(
      await context.cas.readBlob({
        fn: 'sha256',
        hash: result.outputDirectories?.[0]?.treeDigest?.hash ?? '',
        size: result.outputDirectories?.[0]?.treeDigest?.sizeBytes ?? 0,
      }),
    )
    const targets = [tree.root ?? {}, ...tree.children].flatMap(({ symlinks }) =>
      (symlinks ?? []).map(({ name, target }) => `${name} -> ${target}`),
    )
    // The script made the links before it moved their folder: they are told as the client will see them from there.
    expect(targets).toEqual(['abs -> /etc/passwd', 'in -> ../../d/f', 'own -> ../../o/in', 'up -> ../../../o'])
  })
})

describe('what no client can be given', () => {
  test('sockets and pipes in an output directory are left out of it', async () => {
    const context = await openContext()
    const { result, response } = await context.perform({
      command: shell('mkdir d; mkfifo d/pipe; echo f > d/f', { outputPaths: ['d'] }),
    })
    expect(response.status?.code ?? 0).toBe(Code.OK)
    expect(result.outputDirectories).toHaveLength(1)
  })

  test.each([
    ['mkfifo p', 'p'],
    ['mkdir -p d && touch "$(printf "d/\\377")"', 'd'],
  ])('%s: FAILED_PRECONDITION that names the output, and no path of the worker', async (script, path) => {
    const { perform, directory } = await openContext()
    const { response } = await perform({ command: shell(script, { outputPaths: [path] }) })
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(response.status?.message).toContain(`(${path}`)
    expect(response.status?.message).not.toContain(directory)
  })
})

describe('uploads', () => {
  test('outputs go through FindMissing: what is there is not sent again, and nothing at all for no output', async () => {
    const { perform, remote } = await openContext()
    await perform({ command: shell('true') })
    expect(remote.calls.get('FindMissingBlobs')).toBeUndefined()
    const sent = () => remote.calls.get('BatchUpdateBlobs') ?? 0
    await perform({ command: shell('echo same > f', { outputPaths: ['f'] }) })
    const before = sent()
    await perform({ command: shell('echo same > g', { outputPaths: ['g'] }) })
    // One call is the test's own, for the command.
    expect(sent()).toBe(before + 1)
    expect(remote.calls.get('FindMissingBlobs')).toBe(2)
  })

  test('rule 20: what is asked for inline stands in the result, with its digest', async () => {
    const { perform } = await openContext()
    const { result } = await perform({
      command: shell('echo out; echo f > f; echo g > g', { outputPaths: ['f', 'g'] }),
      inlineStdout: true,
      inlineOutputFiles: ['g'],
    })
    expect(Buffer.from(result.stdoutRaw ?? []).toString()).toBe('out\n')
    expect(result.stdoutDigest?.sizeBytes).toBe(4)
    expect(result.outputFiles?.map((each) => Buffer.from(each.contents ?? []).toString())).toEqual(['', 'g\n'])
  })

  test('a large output is streamed from its file', async () => {
    const { perform, remote } = await openContext()
    const { result } = await perform({
      command: shell('head -c 3000000 /dev/zero > big; cat big', { outputPaths: ['big'] }),
    })
    expect(result.outputFiles?.[0]?.digest?.sizeBytes).toBe(3_000_000)
    expect(result.stdoutDigest?.sizeBytes).toBe(3_000_000)
    expect(remote.calls.get('Write')).toBe(1)
  })
})
