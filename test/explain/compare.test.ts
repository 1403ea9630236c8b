import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Digest, digestText } from '../../src/core/digest.ts'
import { compareActions, loadAction } from '../../src/explain/compare.ts'
import { type Comparison, differencesOf, type Entry } from '../../src/explain/difference.ts'
import { toldDifferences, unknownText } from '../../src/explain/words.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { createShelf, type Folder, isLink, isProgram, type Shelf } from './actions.ts'

let shelf: Shelf
beforeEach(() => {
  shelf = createShelf()
})

async function compared(one: Digest, other: Digest): Promise<Comparison> {
  return compareActions(await loadAction(one, shelf.load), await loadAction(other, shelf.load), shelf.load)
}

const titles = (comparison: Comparison) => toldDifferences(comparison).map(({ title }) => title)
const compile = { arguments: ['cc', '-c', 'a.cc'], outputPaths: ['a.o'] }

describe('of a command', () => {
  test('an argument that was put in does not make the later ones differ', async () => {
    const one = shelf.action({ arguments: ['cc', '-c', 'a.cc', '-o', 'a.o'] })
    const other = shelf.action({ arguments: ['cc', '-g', '-c', 'a.cc', '-o', 'b.o'] })
    const comparison = await compared(one, other)
    expect(comparison.arguments).toEqual({
      first: [
        { position: null, otherPosition: 1, one: null, other: '-g' },
        { position: 4, otherPosition: 5, one: 'a.o', other: 'b.o' },
      ],
      more: 0,
    })
    expect(titles(comparison)).toEqual(['argument 1 is only in the second', 'argument 4 (5 in the second) differs'])
  })

  test('variables are told by their names, whatever their order', async () => {
    const variables = (values: Record<string, string>) =>
      Object.entries(values).map(([name, value]) => ({ name, value }))
    const one = shelf.action({ ...compile, environmentVariables: variables({ PATH: '/bin', OLD: '1', SAME: 's' }) })
    const other = shelf.action({
      ...compile,
      environmentVariables: variables({ SAME: 's', PATH: '/home/me/bin:/bin', NEW: '' }),
    })
    const comparison = await compared(one, other)
    expect(comparison.variables.first).toEqual([
      { name: 'NEW', one: null, other: '' },
      { name: 'OLD', one: '1', other: null },
      { name: 'PATH', one: '/bin', other: '/home/me/bin:/bin' },
    ])
    expect(differencesOf(comparison)).toBe(3)
  })

  test('secrets are hidden, wherever they stand', async () => {
    const command = (secret: string): re.Command.$Properties => ({
      arguments: [
        'upload',
        `--token=${secret}`,
        '--password',
        secret,
        `--action_env=API_KEY=${secret}`,
        `https://me:${secret}@example.com/`,
        '-H',
        `Authorization: Bearer ${secret}`,
        `--remote_header=x-api-key=${secret}`,
        `--remote_header=Authorization: Bearer ${secret}`,
        `export GITHUB_TOKEN='${secret}' sshKey=${secret}; curl -H "x-auth-token: ${secret}" http://example.com`,
        `--remote_header=authorization=Bearer ${secret}`,
        `run --client_env=API_TOKEN=${secret} now`,
        `curl http://example.com:80/ -H x-secret: ${secret}`,
      ],
      environmentVariables: [{ name: 'AWS_SECRET_ACCESS_KEY', value: secret }],
      platform: { properties: [{ name: 'registry-password', value: secret }] },
    })
    const comparison = await compared(shelf.action(command('hunter2')), shelf.action(command('correct')))
    expect(differencesOf(comparison)).toBe(13)
    expect(JSON.stringify([comparison, toldDifferences(comparison)])).not.toMatch(/hunter2|correct/)
  })

  test('a long argument is looked through in no time, whatever it is made of', async () => {
    const parts = ['a', 'a=', 'a:', '"a=', 'http://a:', 'a://', '-', 'token=']
    const [one, other] = ['1', '2'].map((end) =>
      shelf.action({ arguments: parts.map((part) => part.repeat(200_000) + end) }),
    )
    if (!one || !other) throw new Error('two actions')
    expect((await compared(one, other)).arguments.first).toHaveLength(parts.length)
  })

  test('names that only sound like a secret are shown', async () => {
    const command = (value: string): re.Command.$Properties => ({
      arguments: [
        `--keyboard=${value}`,
        `--pattern=${value}`,
        `path: ${value}`,
        `PWD=${value} C=${value} make KEYS=${value}`,
      ],
      environmentVariables: ['MONKEYS', 'PWD', 'OLDPWD'].map((name) => ({ name, value })),
    })
    const comparison = await compared(shelf.action(command('one')), shelf.action(command('two')))
    expect(JSON.stringify(comparison)).not.toContain('hidden')
  })

  test('platform properties of the action stand before those of its command', async () => {
    const platform = (value: string) => ({ properties: [{ name: 'OSFamily', value }] })
    const one = shelf.action({ ...compile, platform: platform('ignored') }, {}, { platform: platform('linux') })
    const other = shelf.action({ ...compile, platform: platform('macos') })
    expect((await compared(one, other)).properties.first).toEqual([
      { name: 'OSFamily', one: ['linux'], other: ['macos'] },
    ])
  })

  test('folder, time-out, caching, salt and outputs are told', async () => {
    const one = shelf.action({ ...compile, workingDirectory: 'src' }, {}, { timeout: { seconds: 60 } })
    const other = shelf.action(
      { ...compile, outputPaths: ['b.o'] },
      {},
      { timeout: { seconds: 90 }, doNotCache: true, salt: Buffer.from('silo') },
    )
    const comparison = await compared(one, other)
    expect(comparison.fields).toEqual([
      { field: 'working directory', one: 'src', other: '' },
      { field: 'timeout', one: '60 s', other: '90 s' },
      { field: 'do_not_cache', one: 'false', other: 'true' },
      { field: 'salt', one: null, other: '73696c6f' },
    ])
    expect(comparison.outputs.first).toEqual([{ position: 0, otherPosition: 0, one: 'a.o', other: 'b.o' }])
  })

  test('a hundred differences are named, the others counted', async () => {
    const list = (word: string) => Array.from({ length: 250 }, (_, at) => `${word}${at}`)
    const comparison = await compared(shelf.action({ arguments: list('a') }), shelf.action({ arguments: list('b') }))
    expect(comparison.arguments.first).toHaveLength(100)
    expect(comparison.arguments.more).toBe(150)
    expect(differencesOf(comparison)).toBe(250)
  })

  test('a command that is not to be had is said, and nothing is made up of it', async () => {
    const one = shelf.action({ ...compile, workingDirectory: 'src', platform: { properties: [{ name: 'a' }] } })
    const other = shelf.action({ arguments: ['ld'] }, { 'a.cc': 'new' })
    const { commandDigest } = await loadAction(one, shelf.load)
    shelf.forget(commandDigest)
    const comparison = await compared(one, other)
    expect(comparison.unknown).toEqual([{ what: 'command', side: 'one', path: '', digest: digestText(commandDigest) }])
    expect(titles(comparison)).toEqual(['input a.cc is only in the second'])
  })
})

describe('of an input tree', () => {
  const before: Folder = {
    'a.cc': 'int a;',
    include: { 'version.h': '1', old: { 'gone.h': 'x' } },
    link: { target: 'a.cc' },
    same: { 'far.h': 'f' },
    tool: 'text',
  }
  const after: Folder = {
    'a.cc': 'int a;',
    include: { 'version.h': '2', new: {} },
    link: { target: 'b.cc' },
    same: { 'far.h': 'f' },
    tool: { run: 'text' },
  }

  test('files, links, folders and executable bits are told by their paths', async () => {
    const comparison = await compared(shelf.action(compile, before), shelf.action(compile, after))
    expect(titles(comparison)).toEqual([
      'input include/new is only in the second',
      'input include/old/gone.h is only in the first',
      'input include/version.h has other contents',
      'input link points elsewhere',
      'input tool is executable only in the second',
    ])
    expect(comparison.unknown).toEqual([])
  })

  test('what is the same on both sides is not even read', async () => {
    const one = shelf.action(compile, before)
    const other = shelf.action(compile, after)
    await compared(one, other)
    expect(shelf.asked).not.toContain(digestText(shelf.tree({ 'far.h': 'f' })))
  })

  test('a tree that is not to be had is said, with the flag that would change it', async () => {
    const one = shelf.action(compile, before)
    const other = shelf.action(compile, after)
    shelf.forget(shelf.tree(before))
    const comparison = await compared(one, other)
    expect(comparison.inputs.first).toEqual([])
    expect(comparison.unknown.map(unknownText)).toEqual([
      expect.stringMatching(
        /^Inputs differ, but which ones is not known: .* of the first action .* is not in the cache/,
      ),
    ])
  })

  test('one folder that is not to be had leaves the others known', async () => {
    const one = shelf.action(compile, { kept: { a: '1' }, lost: { b: '1' } })
    const other = shelf.action(compile, { kept: { a: '2' }, lost: { b: '2' } })
    shelf.forget(shelf.tree({ b: '2' }))
    const comparison = await compared(one, other)
    expect(titles(comparison)).toEqual(['input kept/a has other contents'])
    expect(comparison.unknown).toMatchObject([{ what: 'input tree', side: 'other', path: 'lost' }])
  })

  test('whatever two trees are, the differences lead from one to the other', async () => {
    const leaf = fc.oneof(fc.constantFrom('1', '2'), fc.constantFrom({ target: 'x' }, { run: '1' }))
    const { folder } = fc.letrec<{ folder: Folder; entry: Folder[string] }>((tie) => ({
      folder: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('entry'), { maxKeys: 3 }),
      entry: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('folder')),
    }))
    await fc.assert(
      fc.asyncProperty(folder, folder, async (one, other) => {
        shelf = createShelf()
        const { inputs } = await compared(shelf.action(compile, one), shelf.action(compile, other))
        const paths = new Map(flat(one))
        for (const { path, one: was, other: is } of inputs.first) {
          if (was?.kind === 'directory')
            for (const each of paths.keys()) if (each.startsWith(`${path}/`)) paths.delete(each)
          expect(paths.has(path)).toBe(was !== null && was.kind !== 'directory')
          if (is && is.kind !== 'directory') paths.set(path, textOf(is))
          else paths.delete(path)
          // Of a directory in the place of something else, nothing below it is told.
          if (was && is?.kind === 'directory')
            for (const [each, what] of flat(other)) if (each.startsWith(`${path}/`)) paths.set(each, what)
        }
        expect([...paths].toSorted()).toEqual(flat(other).toSorted())
      }),
    )
  })
})

test('an action differs from itself in nothing, and needs no tree', async () => {
  const action = shelf.action(compile, { a: '1' })
  shelf.forget(shelf.tree({ a: '1' }))
  const comparison = await compared(action, action)
  expect(differencesOf(comparison)).toBe(0)
  expect(comparison.unknown).toEqual([])
})

test.each([
  ['is no message', Uint8Array.of(0xff, 0xff)],
  ['has a folder without a digest', re.Directory.encode({ directories: [{ name: 'x' }] }).finish()],
])('an input tree whose root %s is not known, and the rest is compared', async (_, bytes) => {
  const root = shelf.put(bytes)
  const wire = { hash: root.hash, sizeBytes: root.size }
  const { commandDigest } = re.Action.decode(shelf.get(shelf.action({ arguments: ['cc', '-g'] })))
  const action = shelf.put(re.Action.encode({ commandDigest: commandDigest ?? null, inputRootDigest: wire }).finish())
  const comparison = await compared(shelf.action({ arguments: ['cc'] }, { a: '1' }), action)
  expect(comparison.arguments.first).toHaveLength(1)
  expect(comparison.inputs.first).toEqual([])
  expect(comparison.unknown).toEqual([{ what: 'input tree', side: 'other', path: '', digest: digestText(root) }])
})

test('an action that is not there, and a blob that is none, are told', async () => {
  await expect(loadAction(blobOf('nowhere').digest, shelf.load)).rejects.toMatchObject({ kind: 'not-found' })
  const text = shelf.put(Buffer.from('int main() { return 0; }'))
  await expect(loadAction(text, shelf.load)).rejects.toMatchObject({
    kind: 'invalid',
    message: 'the blob is not an Action',
  })
  const empty = shelf.put(re.Command.encode({ arguments: ['x'] }).finish())
  await expect(loadAction(empty, shelf.load)).rejects.toMatchObject({ kind: 'invalid' })
})

/** What stands at each path, but for folders. */
function flat(folder: Folder, path = ''): [string, string][] {
  return Object.entries(folder).flatMap(([name, what]): [string, string][] => {
    const at = path === '' ? name : `${path}/${name}`
    if (typeof what === 'string') return [[at, `${digestText(blobOf(what).digest)} false null`]]
    if (isLink(what)) return [[at, `null false ${what.target}`]]
    if (isProgram(what)) return [[at, `${digestText(blobOf(what.run).digest)} true null`]]
    return flat(what, at)
  })
}

function textOf({ digest, executable, target }: Entry): string {
  return `${digest} ${executable} ${target}`
}
