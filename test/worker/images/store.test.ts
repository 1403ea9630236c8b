import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import type { ImageSource } from '../../../src/worker/images/image-source.ts'
import { createImages } from '../../../src/worker/images/store.ts'
import { testFolder } from '../../fixture/folder.ts'
import { manualClock } from '../../fixture/manual-clock.ts'
import { quietLog } from '../../fixture/quiet-log.ts'

const digestOf = (name: string) => `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0')}`

/** Images of 100 bytes beside their layers, which have 50 each, by what `tags` and `layers` say now. */
async function openImages(sizeBytesMax = 1000) {
  const directory = join(await testFolder(), 'images')
  const clock = manualClock()
  const tags: Record<string, string> = { 'docker://a:1': 'a', 'docker://b:1': 'b', 'docker://c:1': 'c' }
  const layers: Record<string, string[]> = {}
  const unpacked: string[] = []
  const stored: string[] = []
  let gate: Promise<void> | undefined
  let failure: unknown
  let at = 0
  let atOnce = 0
  const source: ImageSource = {
    verifies: false,
    check(reference) {
      if (!reference.includes(':')) throw new Failure('invalid', 'no reference')
    },
    async find(reference, signal) {
      if (failure) throw failure
      const name = tags[reference.replace(/@.*/, '')]
      if (name === undefined) throw new Failure('not-found', 'the registry has no such image')
      return {
        digest: digestOf(name),
        async unpack(folder, place) {
          unpacked.push(name)
          for (const layer of layers[name] ?? []) {
            const store = async (into: string) => {
              stored.push(layer)
              const { promise, reject } = Promise.withResolvers<never>()
              signal.addEventListener('abort', () => reject(new Error('the connection was closed')), { once: true })
              await Promise.race([gate, promise])
              writeFileSync(join(into, layer), layer)
              return 50
            }
            const kept = await place.get(digestOf(layer), store, signal)
            linkSync(join(kept.folder, layer), join(folder, layer))
          }
          at += 1
          atOnce = Math.max(atOnce, at)
          const { promise: ended, reject } = Promise.withResolvers<never>()
          signal.addEventListener('abort', () => reject(new Error('the connection was closed')), { once: true })
          await Promise.race([gate, ended]).finally(() => {
            at -= 1
          })
          writeFileSync(join(folder, 'name'), name)
          return { bytes: 100, environment: [`NAME=${name}`] }
        },
        close: async () => undefined,
      }
    },
  }
  const life = new AbortController()
  const open = () =>
    createImages({
      source,
      directory,
      sizeBytesMax,
      discard: (path) => rmSync(path, { recursive: true }),
      clock,
      log: quietLog,
      signal: life.signal,
    })
  return {
    directory,
    clock,
    tags,
    layers,
    unpacked,
    stored,
    open,
    images: open(),
    signal: life.signal,
    holdBack(until: Promise<void>) {
      gate = until
    },
    /** How many are being fetched, and how many were at once. */
    get counts() {
      return { at, atOnce }
    },
    fail(error: unknown) {
      failure = error
    },
  }
}

test('actions that ask for one image at the same time have it unpacked once', async () => {
  const { images, unpacked, signal, tags } = await openImages()
  tags['docker://other:name'] = 'a'
  const held = await Promise.all(
    ['docker://a:1', 'docker://a:1', 'docker://other:name', 'docker://a:1'].map((each) => images.hold(each, signal)),
  )
  expect(unpacked).toEqual(['a'])
  expect(new Set(held.map(({ tree }) => tree)).size).toBe(1)
  expect(readFileSync(join(held[0]?.tree ?? '', 'name'), 'utf8')).toBe('a')
  expect(held[0]).toMatchObject({ name: `docker://a:1@${digestOf('a')}`, environment: ['NAME=a'] })
})

test('an action that is given up leaves the others their image', async () => {
  const { images, signal, holdBack } = await openImages()
  const { promise, resolve } = Promise.withResolvers<void>()
  holdBack(promise)
  const gone = new AbortController()
  const first = images.hold('docker://a:1', gone.signal)
  const second = images.hold('docker://a:1', signal)
  gone.abort(new Error('cancelled'))
  await expect(first).rejects.toThrow('cancelled')
  resolve()
  expect(await second).toMatchObject({ environment: ['NAME=a'] })
})

test('a tag stands for what it stood for first, and a new worker looks again', async () => {
  const { images, open, tags, signal } = await openImages()
  const name = (await images.hold('docker://a:1', signal)).environment
  tags['docker://a:1'] = 'b'
  expect((await images.hold('docker://a:1', signal)).environment).toEqual(name)
  expect((await open().hold('docker://a:1', signal)).environment).toEqual(['NAME=b'])
})

test('a place without a registry is looked at again once its image was removed, and then stands for what it has', async () => {
  const { images, tags, signal, unpacked } = await openImages(100)
  tags['oci:/a'] = 'a'
  const first = await images.hold('oci:/a', signal)
  first.release()
  const other = await images.hold('docker://b:1', signal)
  other.release()
  tags['oci:/a'] = 'c'
  const second = await images.hold('oci:/a', signal)
  tags['oci:/a'] = 'x'
  expect([second, await images.hold('oci:/a', signal)]).toMatchObject([
    { environment: ['NAME=c'] },
    { environment: ['NAME=c'] },
  ])
  expect(unpacked).toEqual(['a', 'b', 'c'])
})

test('what was not used for longest goes first, and nothing that is in use', async () => {
  const { images, unpacked, signal } = await openImages(250)
  const a = await images.hold('docker://a:1', signal)
  const b = await images.hold('docker://b:1', signal)
  b.release()
  const c = await images.hold('docker://c:1', signal)
  expect([a, b, c].map(({ tree }) => existsSync(tree))).toEqual([true, false, true])
  expect(images.bytes).toBe(200)
  a.release()
  const again = await images.hold('docker://b:1', signal)
  expect([a, again, c].map(({ tree }) => existsSync(tree))).toEqual([false, true, true])
  expect(again.tree).not.toBe(b.tree)
  expect(unpacked).toEqual(['a', 'b', 'c', 'b'])
})

test('images outlive their worker, but not what was half unpacked', async () => {
  const { images, open, directory, unpacked, signal } = await openImages()
  await images.hold('docker://a:1', signal)
  const whole = readdirSync(directory)
  const half = join(directory, `${digestOf('b').replace(':', '-')}.7`)
  writeFileSync(join(directory, 'stranger'), '')
  mkdirSync(half)
  await open().hold('docker://a:1', signal)
  expect(unpacked).toEqual(['a'])
  expect(readdirSync(directory)).toEqual(whole)
})

test('an image that cannot be had is named at once, and looked for again after some seconds', async () => {
  const { images, clock, tags, signal, fail } = await openImages()
  const refused = {
    kind: 'precondition',
    message: expect.stringContaining('docker://x:1 cannot be used: the registry'),
  }
  await expect(images.hold('docker://x:1', signal)).rejects.toMatchObject(refused)
  tags['docker://x:1'] = 'x'
  await expect(images.hold('docker://x:1', signal)).rejects.toMatchObject(refused)
  clock.advance(6_000)
  expect(await images.hold('docker://x:1', signal)).toMatchObject({ environment: ['NAME=x'] })
  fail(new Failure('unavailable', 'nobody answers'))
  await expect(images.hold('docker://y:1', signal)).rejects.toMatchObject({ kind: 'precondition' })
  await expect(images.hold('nonsense', signal)).rejects.toMatchObject({ kind: 'invalid' })
})

test('a fetch that nobody waits for any more ends, and the next one to ask begins anew', async () => {
  const world = await openImages()
  const { images, unpacked, directory, signal } = world
  const { promise, resolve } = Promise.withResolvers<void>()
  world.holdBack(promise)
  const gone = [new AbortController(), new AbortController()]
  const waiting = gone.map((each) => images.hold('docker://a:1', each.signal))
  await vi.waitFor(() => expect(world.counts.at).toBe(1))
  gone[0]?.abort(new Error('cancelled'))
  await expect(waiting[0]).rejects.toThrow('cancelled')
  expect(world.counts.at).toBe(1)
  gone[1]?.abort(new Error('cancelled'))
  await expect(waiting[1]).rejects.toThrow('cancelled')
  await vi.waitFor(() => expect([world.counts.at, readdirSync(directory)]).toEqual([0, ['layers']]))
  resolve()
  expect(await images.hold('docker://a:1', signal)).toMatchObject({ environment: ['NAME=a'] })
  expect(unpacked).toEqual(['a', 'a'])
})

test('one name of an image that is given up leaves it to those who wait for it by another', async () => {
  const { images, signal, tags, unpacked, holdBack } = await openImages()
  tags['docker://other:name'] = 'a'
  const { promise, resolve } = Promise.withResolvers<void>()
  holdBack(promise)
  const gone = new AbortController()
  const first = images.hold('docker://a:1', gone.signal)
  const second = images.hold('docker://other:name', signal)
  await vi.waitFor(() => expect(unpacked).toEqual(['a']))
  gone.abort(new Error('cancelled'))
  await expect(first).rejects.toThrow('cancelled')
  resolve()
  expect(await second).toMatchObject({ environment: ['NAME=a'] })
  expect(unpacked).toEqual(['a', 'a'])
})

test('what does not come within a quarter of an hour is given up, and says so', async () => {
  const world = await openImages()
  world.holdBack(new Promise(() => undefined))
  const held = world.images.hold('docker://a:1', world.signal)
  const refused = expect(held).rejects.toMatchObject({
    kind: 'precondition',
    message: expect.stringContaining('docker://a:1 cannot be used: it did not arrive within 15 minutes'),
  })
  await vi.waitFor(() => expect(world.counts.at).toBe(1))
  world.clock.advance(15 * 60_000)
  await refused
})

test('some images are fetched at once, and the others in turn', async () => {
  const world = await openImages(10_000)
  const names = Array.from({ length: 12 }, (_, at) => `n${at}`)
  for (const name of names) world.tags[`docker://${name}:1`] = name
  const { promise, resolve } = Promise.withResolvers<void>()
  world.holdBack(promise)
  const held = names.map((name) => world.images.hold(`docker://${name}:1`, world.signal))
  await vi.waitFor(() => expect(world.counts.at).toBe(4))
  resolve()
  await Promise.all(held)
  expect(world.counts.atOnce).toBe(4)
})

test('an image that has just come stays for all who wait for it, and goes once nobody uses it', async () => {
  const { images, signal } = await openImages(150)
  const a = await images.hold('docker://a:1', signal)
  const both = await Promise.all(['docker://b:1', 'docker://b:1'].map((each) => images.hold(each, signal)))
  expect([a, ...both].map(({ tree }) => existsSync(tree))).toEqual([true, true, true])
  expect(images.bytes).toBe(200)
  for (const each of both) each.release()
  expect([a, ...both].map(({ tree }) => existsSync(tree))).toEqual([true, false, false])
})

test('a layer that images have in common is stored once, also for those that come at the same time, and counted once', async () => {
  const { images, layers, stored, unpacked, signal } = await openImages()
  Object.assign(layers, { a: ['base', 'x'], b: ['base', 'y'], c: ['base'] })
  const first = ['docker://a:1', 'docker://b:1'].map((each) => images.hold(each, signal))
  const held = [...(await Promise.all(first)), await images.hold('docker://c:1', signal)]
  expect([unpacked, stored]).toEqual([
    ['a', 'b', 'c'],
    ['base', 'x', 'y'],
  ])
  expect(images.bytes).toBe(3 * 100 + 3 * 50)
  expect(new Set(held.map(({ tree }) => statSync(join(tree, 'base')).ino)).size).toBe(1)
})

test('whoever waits for a layer stores it when the one that began is given up', async () => {
  const { images, layers, stored, signal, holdBack } = await openImages()
  Object.assign(layers, { a: ['base'], b: ['base'] })
  const { promise, resolve } = Promise.withResolvers<void>()
  holdBack(promise)
  const gone = new AbortController()
  const first = images.hold('docker://a:1', gone.signal)
  await vi.waitFor(() => expect(stored).toEqual(['base']))
  const second = images.hold('docker://b:1', signal)
  gone.abort(new Error('cancelled'))
  await expect(first).rejects.toThrow('cancelled')
  await vi.waitFor(() => expect(stored).toEqual(['base', 'base']))
  resolve()
  expect(readFileSync(join((await second).tree, 'base'), 'utf8')).toBe('base')
})

test('a layer goes with the last image that has it, when there is no room, and then before any image', async () => {
  const { images, layers, stored, directory, signal } = await openImages(320)
  Object.assign(layers, { a: ['base', 'x'], b: ['base', 'y'] })
  const kept = () => readdirSync(join(directory, 'layers')).length
  const a = await images.hold('docker://a:1', signal)
  a.release()
  const b = await images.hold('docker://b:1', signal)
  // The image that nobody uses has made room, and its layers are still there.
  expect([images.bytes, kept()]).toEqual([250, 3])
  const c = await images.hold('docker://c:1', signal)
  // Nor is there room for the layer that no image has any more.
  expect([images.bytes, kept()]).toEqual([300, 2])
  expect(existsSync(join(b.tree, 'base'))).toBe(true)
  b.release()
  c.release()
  await images.hold('docker://a:1', signal)
  expect(stored).toEqual(['base', 'x', 'y', 'x'])
})

test('layers outlive their worker, but no image without its layers and no layer that was half stored', async () => {
  const { images, open, layers, stored, directory, signal } = await openImages()
  Object.assign(layers, { a: ['base', 'x'], b: ['base', 'y'] })
  await images.hold('docker://a:1', signal)
  const half = join(directory, 'layers', `${digestOf('y').replace(':', '-')}.9`)
  mkdirSync(half)
  await open().hold('docker://b:1', signal)
  expect([stored, existsSync(half)]).toEqual([['base', 'x', 'y'], false])
  expect(open().bytes).toBe(2 * 100 + 3 * 50)
  const base = readdirSync(join(directory, 'layers')).find((name) =>
    name.startsWith(digestOf('base').replace(':', '-')),
  )
  rmSync(join(directory, 'layers', base ?? ''), { recursive: true })
  const again = open()
  expect(again.bytes).toBe(2 * 50)
  await again.hold('docker://a:1', signal)
  expect(stored).toEqual(['base', 'x', 'y', 'base'])
})
