import { realpathSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import type { WorkerConfig } from '../config/worker.ts'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { imageProperty, type PlatformProperty } from '../core/platform.ts'
import { runHelper } from '../image/credential-helper.ts'
import { type ImageContext, openSource } from '../image/open.ts'
import { hostPlatform } from '../image/platform.ts'
import { parseReference, type Reference } from '../image/reference.ts'
import { selectRoot } from '../image/select.ts'
import { unpackImage } from '../image/unpack/unpack.ts'
import type { WorkerOptions } from '../worker/worker.ts'

type Settings = WorkerConfig['images']
type ImageSource = NonNullable<WorkerOptions['images']>['source']

/** The default of `image copy`. */
const retryTimes = 3

/**
 * The source of images for actions: what a worker's settings allow them to name, with the logins of the worker's user.
 */
export function imageSourceOf(settings: Settings, clock: Clock): ImageSource {
  const context = (signal: AbortSignal): ImageContext => ({
    tlsVerify: true,
    login: { home: homedir(), env: process.env, runHelper },
    retryTimes,
    dockerHost: process.env['DOCKER_HOST'] || undefined,
    temporary: tmpdir(),
    clock,
    signal,
  })
  return {
    verifies: settings.policies.length > 0,
    check(text) {
      // The deployment's own image is at the place that the deployment gives.
      const reference = parseReference(text)
      if (text !== settings.default) assertAllowed(reference, text, settings)
    },
    async find(text, signal) {
      const around = context(signal)
      const { reference, pin } = await trusted(parseReference(text), settings, around)
      const source = await openSource(reference, around)
      try {
        const raw = await selectRoot(source, { platform: hostPlatform(process.arch), isNamed: true })
        return {
          digest: raw.digest,
          pin,
          unpack: (folder, layers, bytesMax) => unpackImage(source, raw, folder, layers, bytesMax, signal),
          close: () => source.close(),
        }
      } catch (error) {
        await source.close()
        throw error
      }
    },
  }
}

/** What may be used of what a reference names: where there are policies, what was signed, by its digest. */
async function trusted(reference: Reference, { policies }: Settings, around: ImageContext) {
  if (policies.length === 0) return { reference }
  const { verifiedDigest } = await import('./image-trust.ts')
  const digest = await verifiedDigest(reference, policies, around)
  if (reference.transport !== 'docker') return { reference }
  const pinned: Reference = { ...reference, image: { ...reference.image, digest } }
  return { reference: pinned, pin: digest }
}

/** The platform properties of a worker for actions that name an image: one value for each kind of place. */
export function imageOffers({ from }: Settings): PlatformProperty[] {
  return from.map((place) => ({ name: imageProperty, value: place === 'docker' ? 'docker://*' : `${place}:*` }))
}

/** @throws Failure 'precondition' */
function assertAllowed(reference: Reference, text: string, { from, folders }: Settings): void {
  const { transport } = reference
  if (!from.some((each) => each === transport))
    throw new Failure('precondition', `images of actions may not come from a ${transport}: place here`, {
      where: text,
      next: ['The setting images.from of the worker names the kinds of places that are allowed.'],
    })
  if (reference.transport !== 'oci' || isBelow(reference.path, folders)) return
  throw new Failure('precondition', 'images of actions may not come from this folder', {
    where: text,
    next: ['The setting images.folders of the worker names the folders whose images are allowed.'],
  })
}

/** Symlinks count as their targets. */
function isBelow(path: string, folders: readonly string[]): boolean {
  const real = realOf(path)
  return folders.some((folder) => {
    const above = realOf(folder)
    return real !== undefined && above !== undefined && `${real}/`.startsWith(`${above}/`)
  })
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    // A missing path is in no folder; whether it exists is not revealed.
    return undefined
  }
}
