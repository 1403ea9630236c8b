import { Failure } from '../core/failure.ts'
import {
  type ImageName,
  imageNameText,
  parseImageName,
  parseRepositoryImage,
  type RepositoryImage,
  repositoryImageText,
} from './name.ts'

/** A place where an image can be. The grammar is that of containers-transports(5). */
export type Reference =
  | { readonly transport: 'docker'; readonly image: ImageName }
  | { readonly transport: 'docker-daemon'; readonly image: ImageName }
  | { readonly transport: 'docker-archive'; readonly path: string; readonly image?: ImageName }
  | { readonly transport: 'oci' | 'oci-archive'; readonly path: string; readonly name?: string }
  | { readonly transport: 'dir'; readonly path: string }
  | KindReference

/** A cluster's registry, and an image in it. */
export interface KindReference {
  readonly transport: 'kind'
  readonly cluster: string
  readonly image?: RepositoryImage
}

/** What can be signed: an image in a registry. */
export type RegistryReference = Extract<Reference, { transport: 'docker' | 'kind' }>

export type Transport = Reference['transport']

/** Every transport, in the order in which help and errors name them. */
export const transports: readonly Transport[] = [
  'docker',
  'docker-daemon',
  'docker-archive',
  'oci',
  'oci-archive',
  'dir',
  'kind',
]

const textMax = 4096
/** As accepted by `--name`. */
const clusterName = /^[a-z][a-z0-9-]{0,30}$/
// org.opencontainers.image.ref.name: image-spec, annotations.md.
const refName = /^[A-Za-z0-9]+(?:(?:[-._:@/+]|--)[A-Za-z0-9]+)*$/

/**
 * Parses `docker://name[:tag|@digest]`, `docker-daemon:name:tag`, `docker-archive:path[:ref]`, `oci:path[:ref]`,
 * `oci-archive:path[:ref]`, `dir:path` and `kind:[cluster][/name[:tag|@digest]]`. A path ends at the first colon.
 * @throws Failure 'invalid', saying which form was expected
 */
export function parseReference(text: string): Reference {
  if (text.length > textMax) throw bad(text, `a reference may have at most ${textMax} characters`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) throw bad(text, 'a reference must not contain control characters')
  const colon = text.indexOf(':')
  const transport = transports.find((each) => each === text.slice(0, colon))
  if (colon < 0 || !transport) throw noTransport(text)
  const rest = text.slice(colon + 1)
  switch (transport) {
    case 'docker':
      if (!rest.startsWith('//'))
        throw bad(text, 'docker: must be followed by // and the image', 'docker://host/name:tag')
      return { transport, image: parseImageName(rest.slice(2)) }
    case 'docker-daemon':
      return { transport, image: parseImageName(rest) }
    case 'docker-archive': {
      const { path, tail } = splitPath(text, rest)
      return tail === undefined ? { transport, path } : { transport, path, image: taggedName(text, tail) }
    }
    case 'oci':
    case 'oci-archive': {
      const { path, tail } = splitPath(text, rest)
      if (tail === undefined) return { transport, path }
      if (!refName.test(tail))
        throw bad(
          text,
          `"${tail.slice(0, 100)}" cannot be an image's name in an OCI layout`,
          `${transport}:/tmp/image:name`,
        )
      return { transport, path, name: tail }
    }
    case 'dir':
      if (rest === '') throw bad(text, 'dir: must be followed by a path', 'dir:/tmp/image')
      return { transport, path: rest }
    case 'kind':
      return parseKind(text, rest)
  }
}

/**
 * Parses an image in a registry: `docker://name`, `kind:[cluster]/name`, or a bare name, as cosign accepts it.
 * @throws Failure 'invalid' for another transport too
 */
export function parseRegistryReference(text: string): RegistryReference {
  const transport = transports.find((each) => text.startsWith(`${each}:`))
  if (transport === undefined) return { transport: 'docker', image: parseImageName(text) }
  const reference = parseReference(text)
  if (reference.transport === 'docker' || reference.transport === 'kind') return reference
  throw new Failure('invalid', 'signatures are stored in registries, but this is not in one', {
    where: text.slice(0, 200),
    next: ['Write the image as ghcr.io/owner/name:tag, or as kind:/name:tag if it is in the registry of a cluster.'],
  })
}

/**
 * Parses any reference, or a bare name, which means an image in a registry.
 * @throws Failure 'invalid'
 */
export function parseAnyReference(text: string): Reference {
  return transports.some((each) => text.startsWith(`${each}:`)) ? parseReference(text) : parseRegistryReference(text)
}

function parseKind(text: string, rest: string): KindReference {
  const slash = rest.indexOf('/')
  const cluster = slash < 0 ? rest : rest.slice(0, slash)
  if (cluster !== '' && !clusterName.test(cluster))
    throw bad(
      text,
      `"${cluster.slice(0, 100)}" cannot be the name of a cluster`,
      slash < 0 ? `kind:/${rest}` : undefined,
    )
  const image = slash < 0 ? {} : { image: parseRepositoryImage(rest.slice(slash + 1)) }
  return { transport: 'kind', cluster: cluster === '' ? 'native' : cluster, ...image }
}

/** The reference in its written form. */
export function referenceText(reference: Reference): string {
  switch (reference.transport) {
    case 'docker':
      return `docker://${imageNameText(reference.image)}`
    case 'docker-daemon':
      return `docker-daemon:${imageNameText(reference.image)}`
    case 'docker-archive':
      return withTail(reference, reference.image && imageNameText(reference.image))
    case 'oci':
    case 'oci-archive':
      return withTail(reference, reference.name)
    case 'dir':
      return `dir:${reference.path}`
    case 'kind':
      return `kind:${reference.cluster}${reference.image ? `/${repositoryImageText(reference.image)}` : ''}`
  }
}

function withTail(reference: { transport: string; path: string }, tail: string | undefined): string {
  return `${reference.transport}:${reference.path}${tail === undefined ? '' : `:${tail}`}`
}

function splitPath(text: string, rest: string): { path: string; tail?: string } {
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  if (path === '') throw bad(text, 'the path is missing', `${text.slice(0, text.indexOf(':'))}:/tmp/image`)
  return colon < 0 ? { path } : { path, tail: rest.slice(colon + 1) }
}

function taggedName(text: string, tail: string): ImageName {
  const image = parseImageName(tail)
  if (image.tag === undefined || image.digest !== undefined)
    throw bad(text, 'the name of an image in a docker archive needs a tag', 'docker-archive:/tmp/image.tar:name:tag')
  return image
}

function noTransport(text: string): Failure {
  const guess = text.includes(':/') || text.startsWith('/') || text.startsWith('.') ? `oci:${text}` : `docker://${text}`
  return bad(text, 'it does not start with a transport', /\s|:\/\//.test(text) ? undefined : guess.slice(0, 200))
}

function bad(text: string, why: string, example?: string): Failure {
  const forms = transports.map((each) => (each === 'docker' ? 'docker://' : `${each}:`)).join(', ')
  return new Failure('invalid', `"${text.slice(0, 200)}" is not an image reference: ${why}`, {
    next: [...(example ? [`For example: ${example}`] : []), `The transports are ${forms}.`],
  })
}
