import { describe, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { batchBytesMax } from '../../src/core/limits.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { unpackAny } from '../../src/wire/any.ts'
import { forExecute } from '../../src/wire/for-execute.ts'
import { re, rpc } from '../../src/wire/proto.ts'
import { blobSubject } from '../../src/wire/resource.ts'
import { Code, type RpcError } from '../../src/wire/rpc.ts'
import {
  actions,
  blobOf,
  call,
  codeOf,
  failureOf,
  noise,
  openCache,
  putDirectory,
  type TestCache,
  wire,
} from './fixture.ts'

const action = digestOf('sha256', Buffer.from('an action'))
const [one, two, three] = [blobOf('one'), blobOf('two'), blobOf('three')]
const empty = blobOf('')

function get(
  { channel }: TestCache,
  more: re.GetActionResultRequest.$Properties = {},
): Promise<re.ActionResult & re.ActionResult.$Properties> {
  const request = { actionDigest: wire(action), ...more }
  return call(channel, `${actions}/GetActionResult`, re.GetActionResultRequest, request, re.ActionResult)
}

function update(
  { channel }: TestCache,
  actionResult: re.ActionResult.$Properties,
  more: re.UpdateActionResultRequest.$Properties = {},
): Promise<re.ActionResult> {
  const request = { actionDigest: wire(action), actionResult, ...more }
  return call(channel, `${actions}/UpdateActionResult`, re.UpdateActionResultRequest, request, re.ActionResult)
}

async function store(blobs: Blobs, ...list: readonly { digest: Digest; bytes: Uint8Array }[]): Promise<void> {
  for (const { digest, bytes } of list) await blobs.put(digest, bytes)
}

/** A Tree whose root has `one` and whose one child has `two`. */
function tree(): { digest: Digest; bytes: Uint8Array } {
  const child = { files: [{ name: 'two', digest: wire(two.digest) }] }
  const childDigest = blobOf(re.Directory.encode(child).finish()).digest
  const root = {
    files: [{ name: 'one', digest: wire(one.digest) }],
    directories: [{ name: 'd', digest: wire(childDigest) }],
  }
  return blobOf(re.Tree.encode({ root, children: [child] }).finish())
}

/** The subjects of the MISSING violations that an error carries. */
function missingSubjects(error: RpcError): string[] {
  return error.details.flatMap((detail) => {
    const value = unpackAny(detail, 'google.rpc.PreconditionFailure')
    if (!value) return []
    const { violations } = rpc.PreconditionFailure.decode(value)
    expect(new Set(violations.map(({ type }) => type))).toEqual(new Set(['MISSING']))
    return violations.map(({ subject }) => subject ?? '')
  })
}

/** Counts questions to the store. */
function countingFinds(): { decorate(blobs: Blobs): Blobs; finds: number; gets: number } {
  const counter = {
    finds: 0,
    gets: 0,
    decorate: (inner: Blobs): Blobs => ({
      ...inner,
      findMissing(digests) {
        counter.finds += 1
        return inner.findMissing(digests)
      },
      get(digest) {
        counter.gets += 1
        return inner.get(digest)
      },
    }),
  }
  return counter
}

describe('GetActionResult', () => {
  test('rule 18: a miss is NOT_FOUND', async () => {
    expect(await codeOf(get(openCache()))).toBe('NOT_FOUND')
  })

  test('gives back what was stored, and the newest of two', async () => {
    const cache = openCache()
    await store(cache.blobs, one, two)
    await update(cache, { outputFiles: [{ path: 'a', digest: wire(one.digest) }] })
    await update(cache, { outputFiles: [{ path: 'b', digest: wire(two.digest) }], exitCode: 0 })
    expect((await get(cache)).outputFiles.map(({ path }) => path)).toEqual(['b'])
  })

  test.each([
    ['output_files', { outputFiles: [{ path: 'a', digest: wire(one.digest) }] }],
    ['stdout_digest', { stdoutDigest: wire(one.digest) }],
    ['stderr_digest', { stderrDigest: wire(one.digest) }],
  ])('rule 19: an absent blob of %s makes it a miss', async (_, result) => {
    const cache = openCache()
    await store(cache.blobs, one)
    await update(cache, result)
    expect((await get(cache)).exitCode).toBe(0)
    await cache.blobs.delete(one.digest)
    expect(await codeOf(get(cache))).toBe('NOT_FOUND')
  })

  test.each(['the tree', 'a file in it', 'a file in a child'])(
    'rule 19: %s absent makes it a miss, whether the tree was seen before or not',
    async (which) => {
      const { digest, bytes } = tree()
      const gone = which === 'the tree' ? digest : which === 'a file in it' ? one.digest : two.digest
      for (const seen of [true, false]) {
        const cache = openCache()
        await store(cache.blobs, one, two, { digest, bytes })
        const result = { outputDirectories: [{ path: 'out', treeDigest: wire(digest) }] }
        await cache.results.put(action, re.ActionResult.encode(result).finish())
        if (seen) await get(cache)
        await cache.blobs.delete(gone)
        expect(await codeOf(get(cache))).toBe('NOT_FOUND')
        await store(cache.blobs, one, two, { digest, bytes })
        expect((await get(cache)).outputDirectories.length).toBe(1)
      }
    },
  )

  test('a stored result that cannot be read, or refers to a broken Tree, is a miss and can be replaced', async () => {
    const cache = openCache()
    const broken = blobOf('no tree')
    await store(cache.blobs, broken)
    const result = { outputDirectories: [{ path: 'out', treeDigest: wire(broken.digest) }] }
    for (const value of [Buffer.from('12ff', 'hex'), re.ActionResult.encode(result).finish()]) {
      await cache.results.put(action, value)
      expect(await codeOf(get(cache))).toBe('NOT_FOUND')
    }
    await update(cache, { exitCode: 1 })
    expect((await get(cache)).exitCode).toBe(1)
  })

  test('rule 19: the directories of a Tree need no blobs of their own', async () => {
    const cache = openCache()
    const { digest, bytes } = tree()
    await store(cache.blobs, one, two, { digest, bytes })
    await update(cache, { outputDirectories: [{ path: 'out', treeDigest: wire(digest) }] })
    expect((await get(cache)).outputDirectories.length).toBe(1)
  })

  test('rule 19: root_directory_digest means every Directory blob and file beneath it', async () => {
    const cache = openCache()
    await store(cache.blobs, one, two)
    const leaf = await putDirectory(cache.blobs, { files: [{ name: 'two', digest: wire(two.digest) }] })
    const root = await putDirectory(cache.blobs, {
      files: [{ name: 'one', digest: wire(one.digest) }],
      directories: [{ name: 'd', digest: wire(leaf) }],
    })
    await update(cache, { outputDirectories: [{ path: 'out', rootDirectoryDigest: wire(root) }] })
    for (const gone of [leaf, two.digest, root]) {
      const bytes = await cache.blobs.get(gone)
      await cache.blobs.delete(gone)
      expect(await codeOf(get(cache))).toBe('NOT_FOUND')
      await cache.blobs.put(gone, bytes ?? Buffer.alloc(0))
      expect((await get(cache)).outputDirectories.length).toBe(1)
    }
  })

  test('rule 19: a hit keeps its blobs alive', async () => {
    const cache = openCache({ capacity: 3500 })
    const [kept, old] = [blobOf(noise(1000, 1)), blobOf(noise(1000, 2))]
    const holder = blobOf(re.Tree.encode({ root: { files: [{ name: 'f', digest: wire(kept.digest) }] } }).finish())
    await store(cache.blobs, kept, holder)
    await update(cache, { outputDirectories: [{ path: 'out', treeDigest: wire(holder.digest) }] })
    await store(cache.blobs, old)
    await get(cache)
    await store(cache.blobs, blobOf(noise(1000, 3)), blobOf(noise(1000, 4)))
    expect(await cache.blobs.findMissing([kept.digest, holder.digest, old.digest])).toEqual([old.digest])
  })

  test('a hit asks the store once, with and without trees that were seen before', async () => {
    const counter = countingFinds()
    const cache = openCache({ decorate: counter.decorate })
    const { digest, bytes } = tree()
    await store(cache.blobs, one, two, three, { digest, bytes })
    await update(cache, {
      outputFiles: [{ path: 'three', digest: wire(three.digest) }],
      outputDirectories: [{ path: 'out', treeDigest: wire(digest) }],
      stdoutDigest: wire(one.digest),
    })
    const before = { finds: counter.finds, gets: counter.gets }
    await get(cache)
    expect({ finds: counter.finds - before.finds, gets: counter.gets - before.gets }).toEqual({ finds: 1, gets: 0 })
  })

  test('rule 1: the empty blob needs no upload', async () => {
    const cache = openCache()
    await update(cache, {
      outputFiles: [{ path: 'a', digest: wire(empty.digest) }],
      stdoutDigest: wire(empty.digest),
    })
    expect((await get(cache)).outputFiles.length).toBe(1)
  })

  test('a Tree of many directories is read in pieces', async () => {
    const cache = openCache()
    const files = Array.from({ length: 30 }, (_, i) => blobOf(`file ${i}`))
    const children = Array.from({ length: 2000 }, (_, i) => ({
      files: files.map(({ digest }, f) => ({ name: `${i}-with-a-long-name-${100 + f}`, digest: wire(digest) })),
    }))
    const { digest, bytes } = blobOf(re.Tree.encode({ root: {}, children }).finish())
    expect(digest.size).toBeGreaterThan(4 * 1024 * 1024)
    await store(cache.blobs, ...files, { digest, bytes })
    await update(cache, { outputDirectories: [{ path: 'out', treeDigest: wire(digest) }] })
    await get(cache)
    await cache.blobs.delete(files[29]?.digest ?? digest)
    expect(await codeOf(get(cache))).toBe('NOT_FOUND')
  })

  test('rule 20: contents are inlined on request only, and the digests stay', async () => {
    const cache = openCache()
    await store(cache.blobs, one, two, three)
    await update(cache, {
      stdoutDigest: wire(one.digest),
      stderrDigest: wire(two.digest),
      outputFiles: [
        { path: 'x', digest: wire(three.digest) },
        { path: 'y', digest: wire(three.digest) },
      ],
    })
    const plain = await get(cache)
    expect([plain.stdoutRaw.length, plain.stderrRaw.length]).toEqual([0, 0])
    const full = await get(cache, { inlineStdout: true, inlineStderr: true, inlineOutputFiles: ['y', 'absent'] })
    expect([full.stdoutRaw, full.stderrRaw].map((each) => Buffer.from(each).toString())).toEqual(['one', 'two'])
    expect(full.outputFiles.map(({ contents }) => Buffer.from(contents ?? []).toString())).toEqual(['', 'three'])
    expect(full.stdoutDigest).toEqual(wire(one.digest))
    expect(full.outputFiles[1]?.digest).toEqual(wire(three.digest))
  })

  test('rule 20: what would not fit into a message is left out', async () => {
    const cache = openCache()
    const [big, bigger] = [blobOf(noise(batchBytesMax - 1000, 1)), blobOf(noise(batchBytesMax + 1, 2))]
    await store(cache.blobs, one, big, bigger)
    await update(cache, {
      stdoutDigest: wire(bigger.digest),
      stderrDigest: wire(big.digest),
      outputFiles: [
        { path: 'big', digest: wire(big.digest) },
        { path: 'one', digest: wire(one.digest) },
      ],
    })
    const result = await get(cache, { inlineStdout: true, inlineStderr: true, inlineOutputFiles: ['big', 'one'] })
    expect(result.stdoutRaw.length).toBe(0)
    expect(result.stderrRaw.length).toBe(big.digest.size)
    expect(result.outputFiles.map(({ contents }) => contents?.length ?? 0)).toEqual([0, 3])
  })

  test('bad requests are INVALID_ARGUMENT', async () => {
    const cache = openCache()
    expect(await codeOf(get(cache, { actionDigest: null }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(get(cache, { actionDigest: { hash: 'x', sizeBytes: 1 } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(get(cache, { instanceName: 'nowhere' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cache.channel.unary(`${actions}/GetActionResult`, Buffer.from('0aff', 'hex')))).toBe(
      'INVALID_ARGUMENT',
    )
  })
})

describe('UpdateActionResult', () => {
  test('rule 21: absent blobs are FAILED_PRECONDITION with one MISSING violation for each, trees included', async () => {
    const cache = openCache()
    const { digest, bytes } = tree()
    await store(cache.blobs, { digest, bytes }, one)
    const error = await failureOf(
      update(cache, {
        outputFiles: [{ path: 'a', digest: wire(three.digest) }],
        outputDirectories: [{ path: 'out', treeDigest: wire(digest) }],
      }),
    )
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(missingSubjects(error).sort()).toEqual([three, two].map((each) => blobSubject(each.digest)).sort())
    expect(await codeOf(get(cache))).toBe('NOT_FOUND')
  })

  test('rule 21: an all-default result is a hit that takes bytes', async () => {
    const cache = openCache()
    await update(cache, {})
    expect((await get(cache)).executionMetadata?.worker).not.toBe('')
  })

  test('rule 22: updates that are disabled are PERMISSION_DENIED', async () => {
    const cache = openCache({ updateEnabled: false })
    expect(await codeOf(update(cache, { exitCode: 1 }))).toBe('PERMISSION_DENIED')
  })

  test('rule 23: a non-zero exit code may be stored', async () => {
    const cache = openCache()
    await update(cache, { exitCode: 3 })
    expect((await get(cache)).exitCode).toBe(3)
  })

  test('fields unknown to us survive, inlined or not', async () => {
    const cache = openCache()
    await store(cache.blobs, one)
    const unknown = Buffer.from('fa3e03616263', 'hex')
    const known = re.ActionResult.encode({ stdoutDigest: wire(one.digest) }).finish()
    const request = re.UpdateActionResultRequest.encode({ actionDigest: wire(action) }).finish()
    const result = Buffer.concat([known, unknown])
    const sent = Buffer.concat([request, Buffer.from([0x1a, result.length]), result])
    expect(await cache.channel.unary(`${actions}/UpdateActionResult`, sent)).toEqual(result)
    const asked = { actionDigest: wire(action) }
    for (const inlineStdout of [false, true]) {
      const bytes = re.GetActionResultRequest.encode({ ...asked, inlineStdout }).finish()
      const answer = await cache.channel.unary(`${actions}/GetActionResult`, bytes)
      expect(answer.includes(unknown)).toBe(true)
      expect(re.ActionResult.decode(answer).stdoutRaw.length).toBe(inlineStdout ? 3 : 0)
    }
  })

  test.each([
    ['a file without a digest', { outputFiles: [{ path: 'a' }] }],
    ['a malformed digest', { stdoutDigest: { hash: 'zz', sizeBytes: 1 } }],
    ['a directory without any digest', { outputDirectories: [{ path: 'a' }] }],
    ['a hash of another function', { stdoutDigest: { hash: 'a'.repeat(40), sizeBytes: 1 } }],
  ])('%s is INVALID_ARGUMENT', async (_, result) => {
    expect(await codeOf(update(openCache(), result))).toBe('INVALID_ARGUMENT')
  })

  test.each([
    ['no protobuf', Buffer.from('not a tree at all')],
    ['cut off', Buffer.from('0a7f01', 'hex')],
    ['a field too large', Buffer.from('0affffffff07', 'hex')],
    ['a file without a digest', re.Tree.encode({ root: { files: [{ name: 'a' }] } }).finish()],
  ])('a Tree that is %s is INVALID_ARGUMENT', async (_, bytes) => {
    const cache = openCache()
    const { digest } = blobOf(bytes)
    await store(cache.blobs, { digest, bytes })
    const result = { outputDirectories: [{ path: 'out', treeDigest: wire(digest) }] }
    expect(await codeOf(update(cache, result))).toBe('INVALID_ARGUMENT')
  })

  test('no action_result is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    const request = re.UpdateActionResultRequest.encode({ actionDigest: wire(action) }).finish()
    expect(await codeOf(channel.unary(`${actions}/UpdateActionResult`, request))).toBe('INVALID_ARGUMENT')
  })
})

test('hits and misses are counted, and those of the scheduler for an Execute apart', async () => {
  const cache = openCache()
  const scheduler = createActionsClient(cache.channel, { metadata: forExecute() })
  await codeOf(get(cache))
  expect(await scheduler.get(action)).toBeUndefined()
  await update(cache, { exitCode: 1 })
  await get(cache)
  await get(cache)
  const text = await cache.metrics.text()
  expect(text).toContain('native_cache_lookups_total{kind="action",result="miss"} 1')
  expect(text).toContain('native_cache_lookups_total{kind="action",result="hit"} 2')
  expect(text).toContain('native_cache_lookups_total{kind="execute",result="miss"} 1')
  expect(text).toContain('native_cache_lookups_total{kind="execute",result="hit"} 0')
  cache.clock.move(3_600_000)
  expect(await cache.metrics.text()).toContain('native_cache_lookups_last_hour{kind="action",result="hit"} 0')
})
