import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { createAdmissions } from '../../src/scheduler/admission.ts'
import { createPrefetchedBudget } from '../../src/scheduler/prefetched.ts'
import { createEvictions } from '../../src/store/evictions.ts'
import { re, rpc, type workerApi } from '../../src/wire/proto.ts'
import { Code, type RpcError } from '../../src/wire/rpc.ts'
import { errorOfStatus } from '../../src/wire/status.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { connectWorker, errorOf } from './worker.ts'
import { actionBytes, createWorld, executeRequest, followed, type World, wire } from './world.ts'

interface Folder {
  readonly files?: Readonly<Record<string, Digest>>
  readonly folders?: Readonly<Record<string, Digest>>
  readonly links?: Readonly<Record<string, string>>
}

function directory({ files = {}, folders = {}, links = {} }: Folder): Uint8Array {
  return re.Directory.encode({
    files: Object.entries(files).map(([name, digest]) => ({ name, digest: wire(digest) })),
    directories: Object.entries(folders).map(([name, digest]) => ({ name, digest: wire(digest) })),
    symlinks: Object.entries(links).map(([name, target]) => ({ name, target })),
  }).finish()
}

/** A digest of something that nobody has uploaded. */
function absent(text: string): Digest {
  return digestOf('sha256', Buffer.from(text))
}

function violations(error: RpcError | undefined) {
  const value = error?.details.find(({ type_url }) => type_url.endsWith('/google.rpc.PreconditionFailure'))?.value
  return rpc.PreconditionFailure.decode(value ?? new Uint8Array()).violations ?? []
}

function subjects(error: RpcError | undefined): string[] {
  return violations(error)
    .map(({ subject }) => subject ?? '')
    .sort()
}

function blobName({ hash, size }: Digest): string {
  return `blobs/${hash}/${size}`
}

async function refusal(world: World, digest: Digest): Promise<RpcError> {
  return errorOf(world.execute(digest).rest())
}

describe('rule 25: missing inputs', () => {
  test('an absent Action', async () => {
    const world = createWorld()
    const error = await refusal(world, absent('action'))
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(subjects(error)).toEqual([blobName(absent('action'))])
    expect(violations(error).map(({ type }) => type)).toEqual(['MISSING'])
  })

  test('an input that had to be evicted lately is told as such', async () => {
    const clock = manualClock()
    const evictions = createEvictions(64 * 1024 * 1024, clock, quietLog)
    const world = createWorld({}, undefined, { evictions })
    const gone = absent('gone')
    const root = await world.put(directory({ files: { gone, never: absent('never') } }))
    evictions.note(gone, gone.size, 0)
    clock.advance(3 * 60_000)
    const error = await refusal(world, await world.action({ root }))
    expect(error.message).toContain('evicted 3 minutes ago: the cache (64 MiB) is smaller')
    expect(error.message).toContain(gone.hash)
    expect(error.message).toContain('and 1 more')
    expect(subjects(error)).toEqual([gone, absent('never')].map(blobName).sort())
  })

  test('one violation for each blob, in the full depth of the tree: command, directories, files', async () => {
    const world = createWorld()
    const file = await world.put(Buffer.from('there'))
    const deep = await world.put(directory({ files: { a: file, b: absent('deep file') } }))
    const middle = await world.put(directory({ folders: { deep, lost: absent('lost folder') } }))
    const root = await world.put(directory({ files: { x: absent('top file'), y: file }, folders: { middle } }))
    const command = absent('command')
    const digest = await world.put(actionBytes({}, command, root))
    const error = await refusal(world, digest)
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    const lost = [command, absent('lost folder'), absent('deep file'), absent('top file')]
    expect(subjects(error)).toEqual(lost.map(blobName).sort())
    expect(new Set(violations(error).map(({ type }) => type))).toEqual(new Set(['MISSING']))
  })

  test('a blob that stands in many places is one violation', async () => {
    const world = createWorld()
    const lost = absent('everywhere')
    const inner = await world.put(directory({ files: { a: lost, b: lost } }))
    const root = await world.put(directory({ files: { c: lost }, folders: { d: inner, e: inner } }))
    expect(subjects(await refusal(world, await world.action({ root })))).toEqual([blobName(lost)])
  })

  test('more than trailers carry: all of them stand in an operation that has ended', async () => {
    const world = createWorld()
    const lost = Array.from({ length: 3_000 }, (_, i) => absent(`file ${i}`))
    const entries = lost.map((digest, i): [string, Digest] => [`f${String(i).padStart(5, '0')}`, digest])
    const root = await world.put(directory({ files: Object.fromEntries(entries) }))
    const response = await world.execute(await world.action({ root })).response()
    const error = errorOfStatus(response.status)
    expect(error?.code).toBe(Code.FAILED_PRECONDITION)
    expect(subjects(error)).toEqual(lost.map(blobName).sort())
  })

  test('is noticed again after a blob was lost, though the tree was checked before', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const file = await world.put(Buffer.from('there'))
    const inner = await world.put(directory({ files: { file } }))
    const root = await world.put(directory({ folders: { inner } }))
    const stream = world.execute(await world.action({ root, argument: '1' }))
    worker.finish((await worker.assigned()).leaseId ?? '')
    await stream.rest()
    await world.blobs.delete(file)
    expect(subjects(await refusal(world, await world.action({ root, argument: '2' })))).toEqual([blobName(file)])
    await world.blobs.delete(inner)
    expect(subjects(await refusal(world, await world.action({ root, argument: '3' })))).toEqual(
      [file, inner].map(blobName).sort(),
    )
  })

  test('the empty blob is never missing (rule 1)', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const empty = absent('')
    const root = await world.put(directory({ files: { a: empty }, folders: { b: empty } }))
    const stream = world.execute(await world.action({ root }))
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
  })
})

describe('malformed input is INVALID_ARGUMENT', () => {
  const file = absent('')

  test.each([
    ['a name with a slash', { files: { 'a/b': file } }],
    ['a parent', { folders: { '..': file } }],
    ['an empty name', { files: { '': file } }],
    ['names out of order', { files: { b: file, a: file } }],
    ['a name twice', { files: { a: file }, links: { a: 'b' } }],
  ])('%s', async (_, folder) => {
    const world = createWorld()
    const root = await world.put(directory(folder))
    const error = await refusal(world, await world.action({ root }))
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain(root.hash)
  })

  test('bytes that are not a Directory', async () => {
    const world = createWorld()
    const root = await world.put(Buffer.from('\xff\xff\xff', 'latin1'))
    expect((await refusal(world, await world.action({ root }))).code).toBe(Code.INVALID_ARGUMENT)
  })

  test('a digest in a Directory that is none', async () => {
    const world = createWorld()
    const bytes = re.Directory.encode({ files: [{ name: 'a', digest: { hash: 'XYZ', sizeBytes: 1 } }] }).finish()
    const error = await refusal(world, await world.action({ root: await world.put(bytes) }))
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
  })

  test('an Action without a command digest', async () => {
    const world = createWorld()
    const digest = await world.put(re.Action.encode({ inputRootDigest: wire(absent('')) }).finish())
    const error = await refusal(world, digest)
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain('command_digest')
  })

  test('a tree deeper than 512 directories', async () => {
    const world = createWorld()
    let root = absent('')
    for (let i = 0; i < 514; i += 1) root = await world.put(directory({ folders: { d: root } }))
    const error = await refusal(world, await world.action({ root }))
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain('deeper')
  })
})

describe('rule 41: a symlink to an absolute path among the inputs', () => {
  async function admitted(absoluteLinksAllowed: boolean) {
    const world = createWorld()
    const inner = await world.put(directory({ links: { a: 'b', sh: '/bin/sh' } }))
    const digest = await world.action({ root: await world.put(directory({ folders: { inner } })) })
    const admissions = createAdmissions({
      cas: world.casChannel,
      timeouts: { defaultMs: 1_000, maxMs: 1_000 },
      clock: world.clock,
      absoluteLinksAllowed: () => Promise.resolve(absoluteLinksAllowed),
    })
    const client = { peer: 'a client', invocation: '', metadata: undefined }
    const inline = { stdout: false, stderr: false, outputFiles: [] }
    return admissions.admit({ instance: '', digest, skipCacheLookup: false, priority: 0, inline, notOn: '' }, client)
  }

  test('is refused where the CAS disallows it', async () => {
    await expect(admitted(false)).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('is fine where it does not', async () => {
    expect((await admitted(true)).kind).toBe('run')
  })
})

test('a tree that repeats itself costs no more than its distinct directories', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  let root = await world.put(directory({ files: { a: await world.put(Buffer.from('leaf')) } }))
  // 4^60 paths, 60 directories.
  for (let i = 0; i < 60; i += 1) root = await world.put(directory({ folders: { a: root, b: root, c: root, d: root } }))
  const stream = world.execute(await world.action({ root }))
  worker.finish((await worker.assigned()).leaseId ?? '')
  expect((await stream.response()).result?.exitCode).toBe(0)
})

test('what was read once is not read again: a second action over the same tree asks only whether it is there', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const file = await world.put(Buffer.from('input'))
  const root = await world.put(directory({ folders: { a: await world.put(directory({ files: { file } })) } }))
  const run = async (argument: string) => {
    world.calls.length = 0
    const stream = world.execute(await world.action({ root, argument }))
    worker.finish((await worker.assigned()).leaseId ?? '')
    await stream.rest()
    return [...world.calls].sort()
  }
  await run('1')
  expect(await run('2')).toEqual([
    'BatchReadBlobs',
    'BatchReadBlobs',
    'FindMissingBlobs',
    'GetActionResult',
    'UpdateActionResult',
  ])
})

test('the Command and the Directories that were read just now go with the assignment, to the first worker', async () => {
  const world = createWorld()
  const below = directory({ files: { file: await world.put(Buffer.from('input')) } })
  const above = directory({ folders: { a: await world.put(below) } })
  const root = await world.put(above)
  const hashes = (assign: workerApi.Assign.$Properties) =>
    (assign.blobs ?? []).map((bytes) => digestOf('sha256', bytes).hash)
  const digest = await world.action({ root })
  const { commandDigest } = re.Action.decode(await world.cas.readBlob(digest))
  const worker = await connectWorker(world.channel)
  const stream = world.execute(digest)
  expect(hashes(await worker.assigned())).toEqual([commandDigest?.hash, root.hash, digestOf('sha256', below).hash])
  worker.die()
  const second = await connectWorker(world.channel)
  const again = await second.assigned()
  expect(hashes(again)).toEqual([])
  second.finish(again.leaseId ?? '')
  await stream.rest()
  world.execute(await world.action({ root, argument: 'other' }))
  expect(hashes(await second.assigned())).toHaveLength(1)
})

test('what actions carry while they wait is bounded, each and together', () => {
  const pack = createPrefetchedBudget()
  const sizes = (...lengths: number[]) =>
    pack(lengths.map((length) => Buffer.alloc(length))).blobs.map((blob) => blob.byteLength)
  expect(sizes(30_000, 40_000, 1)).toEqual([30_000])
  const packed = Array.from({ length: 2000 }, () => pack([Buffer.alloc(60_000)]))
  expect(packed.filter(({ blobs }) => blobs.length > 0).length * 60_000).toBeLessThan(64 * 1024 * 1024)
  const [first] = packed
  first?.drop()
  first?.drop()
  expect(first?.blobs).toEqual([])
  expect([sizes(60_000), sizes(60_000)]).toEqual([[60_000], []])
})

test('equal requests at the same time share one check', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const digest = await world.action()
  const streams = Array.from({ length: 20 }, () => world.execute(digest))
  worker.finish((await worker.assigned()).leaseId ?? '')
  for (const stream of streams) expect((await stream.response()).result?.exitCode).toBe(0)
  expect(world.calls.filter((call) => call === 'GetActionResult').length).toBe(1)
})

describe('rule 32: platform properties', () => {
  test('what says how an action is run is offered by no worker and needs none', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { properties: [['OSFamily', 'Linux']] })
    const digest = await world.action({
      platform: [
        ['OSFamily', 'Linux'],
        ['persistentWorkerKey', 'a key'],
        ['persistentWorkerProtocol', 'json'],
        ['supports-worker-cancellation', '1'],
      ],
    })
    const stream = followed(world.channel, 'Execute', executeRequest(digest, {}))
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
  })

  test('limits are compared with the most that a worker lets an action have', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { limits: [['memory', '1000000000']] })
    const digest = await world.action({ platform: [['memory', '500MB']] })
    const stream = followed(world.channel, 'Execute', executeRequest(digest, {}))
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
    world.clock.advance(2_000)
    const error = await refusal(world, await world.action({ platform: [['memory', '2GB']] }))
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(error.message).toContain('memory=2GB')
  })

  test('a limit with which nothing could run is the client’s mistake', async () => {
    const world = createWorld()
    await connectWorker(world.channel, { limits: [['memory', '1000000000']] })
    for (const [name, value, least] of [
      ['memory', '1', '4.0 MiB'],
      ['cpus', '0.001', '0.01'],
      ['disk', '1', '4.0 KiB'],
    ] as const) {
      const error = await refusal(world, await world.action({ platform: [[name, value]] }))
      expect(error.code).toBe(Code.INVALID_ARGUMENT)
      expect(error.message).toContain(`${name}=${value}`)
      expect(error.message).toContain(`at least ${least}`)
    }
  })

  test('what no worker offers is refused at once, naming the property and what is offered', async () => {
    const world = createWorld()
    await connectWorker(world.channel, {
      properties: [
        ['OSFamily', 'Linux'],
        ['ISA', 'x86-64'],
      ],
    })
    world.clock.advance(2_000)
    const error = await refusal(
      world,
      await world.action({
        platform: [
          ['ISA', 'arm64'],
          ['OSFamily', 'Linux'],
        ],
      }),
    )
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(error.message).toContain('ISA=arm64')
    expect(error.message).toContain('x86-64')
  })

  test('Action.platform wins, else Command.platform', async () => {
    const world = createWorld()
    await connectWorker(world.channel, { name: 'mac', properties: [['OSFamily', 'Darwin']] })
    await connectWorker(world.channel, { name: 'linux', properties: [['OSFamily', 'Linux']] })
    const both = await world.action({ platform: [['OSFamily', 'Linux']], commandPlatform: [['OSFamily', 'Darwin']] })
    const command = await world.action({ commandPlatform: [['OSFamily', 'Darwin']] })
    const ranOn = async (digest: Digest) =>
      (await world.execute(digest).next())?.metadata.partialExecutionMetadata?.worker
    expect(await ranOn(both)).toBe('linux')
    expect(await ranOn(command)).toBe('mac')
  })
})
