import { Failure } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import type { Descriptor, Manifest } from './manifest.ts'
import { isForeignLayer } from './media-types.ts'
import type { Destination, Source } from './medium.ts'

/** Addresses that an error shows. */
const urlsMax = 3

/** True for a layer that only its owner may distribute: the image links to it, and its bytes are not copied. */
export function isLeftElsewhere(destination: Destination, layer: Descriptor): boolean {
  return isForeignLayer(layer) && destination.holds !== 'one-docker-image'
}

/** Explains a failed copy of a blob: a foreign layer is often not stored with its image. */
export function absentLayer(error: unknown, layer: Descriptor, source: Source, destination: Destination): unknown {
  if (!isForeignLayer(layer) || !(error instanceof Failure) || error.kind !== 'not-found') return error
  return new Failure('not-found', `the layer ${layer.digest} is a foreign layer, which is not stored with the image`, {
    where: source.name,
    next: [
      `Its bytes are only available at ${addresses(layer)}, but ${destination.name} must contain them.`,
      'oci: and dir: accept the image without them and keep the links to them. Registries do if they allow such links.',
    ],
    cause: error,
  })
}

/**
 * Explains a failed push of a manifest with foreign layers: the CNCF's registry, for one, refuses links that its
 * configuration does not allow, without naming the link or the setting.
 */
export function refusedLayers(error: unknown, manifest: Manifest, destination: Destination): unknown {
  const layer = manifest.layers.find((each) => isLeftElsewhere(destination, each))
  if (!layer || !(error instanceof Failure) || !refusals.has(error.kind)) return error
  const { kind, message, where, output } = error
  return new Failure(kind, message, {
    ...(where === undefined ? {} : { where }),
    ...(output === undefined ? {} : { output }),
    next: [
      ...error.next,
      `The layer ${layer.digest} is a foreign layer, stored only at ${addresses(layer)}: a registry may refuse the link.`,
      'In the registry of the CNCF (registry:2), validation.manifests.urls.allow says which links are allowed.',
    ],
    cause: error,
  })
}

/** How registries refuse, depending on the status that they chose. */
const refusals: ReadonlySet<string> = new Set(['precondition', 'not-found', 'unavailable', 'invalid'])

function addresses({ urls = [] }: Descriptor): string {
  return urls
    .slice(0, urlsMax)
    .map((each) => printable(each))
    .join(', ')
}
