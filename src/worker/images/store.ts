import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import { createFetches, orAborted } from './fetches.ts'
import { imageError } from './image-error.ts'
import type { FoundImage, ImageSource } from './image-source.ts'
import { furnishTree } from './tree.ts'

/** An image in use by an action; it stays until released. */
export interface HeldImage {
  /** The folder with its files, which nobody changes and which is never reused for another image. */
  readonly tree: string
  /** The reference, with the digest that it resolved to. */
  readonly name: string
  /** `NAME=value`, as the image sets them. */
  readonly environment: readonly string[]
  release(): void
}

/** The images of one worker, unpacked. */
export interface Images {
  readonly bytes: number
  /**
   * Obtains an image; the first use fetches it, for all who ask meanwhile and for as long as one of them waits.
   * @throws Failure 'invalid' for anything but a reference, 'precondition' for an image that cannot be used; a system
   *   error; the signal's reason
   */
  hold(reference: string, signal: AbortSignal): Promise<HeldImage>
}

export interface ImagesOptions {
  readonly source: ImageSource
  /** Holds the images; those from an earlier run are reused. */
  readonly directory: string
  /** How much disk unused images may take. */
  readonly sizeBytesMax: number
  /** Removes a folder, now or later. */
  readonly discard: (path: string) => void
  readonly clock: Clock
  readonly log: Log
  /** Aborts running fetches. */
  readonly signal: AbortSignal
}

/** The file next to an image's tree that marks it as complete. */
interface Facts {
  readonly bytes: number
  readonly environment: readonly string[]
}

interface Stored extends Facts {
  readonly digest: string
  readonly folder: string
  /** Actions that run in it, and fetches that have not yet handed it to everybody who waits. */
  users: number
}

/** How long a failure is remembered: a build has many actions, and all of them name the missing image. */
const failedMs = 5_000
const failuresMax = 1000
const referencesMax = 10_000
const factsName = 'image.json'
const ownDigest = /^docker:.*@(sha\d+:[0-9a-f]+)$/
const folderName = /^sha(256|512)-([0-9a-f]{64,128})\.\d+$/

export function createImages(options: ImagesOptions): Images {
  const { source, directory, sizeBytesMax, discard, clock, log } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  /** By digest; most recently used last. */
  const stored = new Map<string, Stored>()
  const fetching = new Map<string, Promise<Stored>>()
  /** What each reference resolves to until this worker ends: a moving tag would give one build two toolchains. */
  const digests = new Map<string, string>()
  const failures = new Map<string, { readonly error: unknown; readonly until: number }>()
  let numbers = 0
  for (const name of readdirSync(directory)) {
    const known = readFacts(join(directory, name), name)
    const [, bits, hash] = folderName.exec(name) ?? []
    const digest = `sha${bits}:${hash}`
    if (known && hash && !stored.has(digest))
      stored.set(digest, { ...known, digest, folder: join(directory, name), users: 0 })
    else discard(join(directory, name))
    numbers = Math.max(numbers, Number(name.slice(name.lastIndexOf('.') + 1)) || 0)
  }

  const total = () => [...stored.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  const makeRoom = () => {
    for (const [digest, { folder, users }] of stored) {
      if (total() <= sizeBytesMax) return
      if (users > 0) continue
      stored.delete(digest)
      discard(folder)
    }
  }
  const release = (image: Stored) => {
    image.users -= 1
    makeRoom()
  }
  /**
   * A reference with its own digest stands for exactly that, or, if it is an index's, for the image of this platform in
   * it.
   */
  const remember = (reference: string, digest: string) => {
    if (ownDigest.exec(reference)?.[1] === digest || digests.get(reference) === digest) return
    // Without a registry a digest cannot be looked up again: the name may refer to another image by now.
    digests.delete(reference)
    const [oldest] = digests.keys()
    if (digests.size >= referencesMax && oldest !== undefined) digests.delete(oldest)
    digests.set(reference, digest)
  }
  const noteFailure = (reference: string, error: unknown) => {
    if (failures.size >= failuresMax) failures.clear()
    failures.set(reference, { error, until: clock.now() + failedMs })
  }

  /** The image counts its fetch among its users. */
  const fetchImage = async (reference: string, signal: AbortSignal): Promise<Stored> => {
    const found = await source.find(pinned(reference, digests.get(reference)), signal)
    try {
      const image = await stay(reference, found, signal)
      failures.delete(reference)
      remember(reference, image.digest)
      return image
    } finally {
      await found.close()
    }
  }
  const stay = async (reference: string, found: FoundImage, signal: AbortSignal): Promise<Stored> => {
    const { digest } = found
    // It may be being fetched under another name, possibly with nobody waiting for it any more.
    for (let running = fetching.get(digest); running; running = fetching.get(digest))
      await orAborted(Promise.allSettled([running]), signal)
    signal.throwIfAborted()
    const known = stored.get(digest)
    if (known) {
      known.users += 1
      return known
    }
    const making = unpack(reference, found).finally(() => fetching.delete(digest))
    fetching.set(digest, making)
    return await making
  }
  const unpack = async (reference: string, found: FoundImage): Promise<Stored> => {
    const began = clock.now()
    const { digest } = found
    numbers += 1
    const folder = join(directory, `${digest.replace(':', '-')}.${numbers}`)
    const tree = join(folder, 'tree')
    mkdirSync(tree, { recursive: true, mode: 0o755 })
    try {
      const { bytes, environment } = await found.unpack(tree, sizeBytesMax)
      furnishTree(tree)
      // It is complete once this file exists.
      writeFileSync(join(folder, 'new'), JSON.stringify({ bytes, environment } satisfies Facts))
      renameSync(join(folder, 'new'), join(folder, factsName))
      const image = { digest, folder, bytes, environment, users: 1 }
      stored.set(digest, image)
      makeRoom()
      log.info('an image was unpacked', { image: reference, digest, bytes, ms: clock.now() - began })
      return image
    } catch (error) {
      discard(folder)
      throw error
    }
  }
  const fetches = createFetches({
    async fetch(reference, signal) {
      try {
        return await fetchImage(reference, signal)
      } catch (error) {
        // A fetch that was aborted because nobody waits for it has not failed.
        if (!signal.aborted) noteFailure(reference, error)
        throw error
      }
    },
    release,
    clock,
    signal: options.signal,
  })

  const held = (reference: string, image: Stored): HeldImage => {
    stored.delete(image.digest)
    stored.set(image.digest, image)
    image.users += 1
    makeRoom()
    let isHeld = true
    return {
      tree: join(image.folder, 'tree'),
      name: pinned(reference, image.digest),
      environment: image.environment,
      release() {
        if (isHeld) release(image)
        isHeld = false
      },
    }
  }

  return {
    get bytes() {
      return total()
    },
    async hold(reference, signal) {
      source.check(reference)
      signal.throwIfAborted()
      const known = stored.get(digests.get(reference) ?? ownDigest.exec(reference)?.[1] ?? '')
      if (known) return held(reference, known)
      try {
        const failed = failures.get(reference)
        if (failed && failed.until > clock.now()) throw failed.error
        return await fetches.get(reference, signal, (image) => held(reference, image))
      } catch (error) {
        signal.throwIfAborted()
        throw imageError(reference, error)
      }
    },
  }
}

/**
 * A reference with the digest that it resolved to; one that has its own digest, perhaps of an index, is kept as it is.
 */
function pinned(reference: string, digest: string | undefined): string {
  const isRegistry = reference.startsWith('docker://')
  return digest === undefined || !isRegistry || reference.includes('@') ? reference : `${reference}@${digest}`
}

function readFacts(folder: string, name: string): Facts | undefined {
  if (!folderName.test(name)) return undefined
  try {
    const { bytes, environment } = JSON.parse(readFileSync(join(folder, factsName), 'utf8'))
    return { bytes: Number(bytes), environment: Array.isArray(environment) ? environment.map(String) : [] }
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof SyntaxError)) throw error
    return undefined
  }
}
