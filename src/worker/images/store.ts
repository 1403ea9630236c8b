import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { createFetches, orAborted } from './fetches.ts'
import { imageError } from './image-error.ts'
import type { FoundImage, ImageSource } from './image-source.ts'
import { createReferences, pinned } from './references.ts'
import { openStoredImages, type StoredImage, type StoredImagesOptions, treeOf } from './stored-images.ts'
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

export interface ImagesOptions extends StoredImagesOptions {
  readonly source: ImageSource
  readonly clock: Clock
  readonly log: Log
  /** Aborts running fetches. */
  readonly signal: AbortSignal
}

export function createImages(options: ImagesOptions): Images {
  const { source, sizeBytesMax, clock, log } = options
  const stored = openStoredImages(options)
  const fetching = new Map<string, Promise<StoredImage>>()
  const references = createReferences(clock, source.verifies)

  /** The image counts its fetch among its users. */
  const fetchImage = async (reference: string, signal: AbortSignal): Promise<StoredImage> => {
    const found = await source.find(references.pinned(reference), signal)
    try {
      const image = await stay(reference, found, signal)
      references.resolved(reference, image.digest, found.pin)
      return image
    } finally {
      await found.close()
    }
  }
  const stay = async (reference: string, found: FoundImage, signal: AbortSignal): Promise<StoredImage> => {
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
  const unpack = async (reference: string, found: FoundImage): Promise<StoredImage> => {
    const began = clock.now()
    const image = await stored.add(found.digest, async (tree, layers) => {
      const facts = await found.unpack(tree, layers, sizeBytesMax)
      furnishTree(tree)
      return facts
    })
    const { digest, bytes, layers } = image
    log.info('an image was unpacked', {
      image: reference,
      digest,
      layers: layers.length,
      bytesBesideLayers: bytes,
      ms: clock.now() - began,
    })
    return image
  }
  const fetches = createFetches({
    async fetch(reference, signal) {
      try {
        return await fetchImage(reference, signal)
      } catch (error) {
        // A fetch that was aborted because nobody waits for it has not failed.
        if (!signal.aborted) references.failed(reference, error)
        throw error
      }
    },
    release: stored.release,
    clock,
    signal: options.signal,
  })

  const held = (reference: string, image: StoredImage): HeldImage => {
    stored.use(image)
    let isHeld = true
    return {
      tree: treeOf(image),
      name: pinned(reference, image.digest),
      environment: image.environment,
      release() {
        if (isHeld) stored.release(image)
        isHeld = false
      },
    }
  }

  return {
    get bytes() {
      return stored.bytes
    },
    async hold(reference, signal) {
      source.check(reference)
      signal.throwIfAborted()
      const known = stored.get(references.digestOf(reference) ?? '')
      if (known) return held(reference, known)
      try {
        references.assertNotFailed(reference)
        return await fetches.get(reference, signal, (image) => held(reference, image))
      } catch (error) {
        signal.throwIfAborted()
        throw imageError(reference, error)
      }
    },
  }
}
