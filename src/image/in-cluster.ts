import { Failure } from '../core/failure.ts'
import { type ImageName, parseImageName, type RepositoryImage } from './name.ts'
import { type KindReference, type Reference, type RegistryReference, referenceText } from './reference.ts'

/** The registry that a cluster brings along, as either side sees it. */
export interface ClusterRegistry {
  /** For programs of this machine: `127.0.0.1:PORT`. */
  readonly host: string
  /** For pods, in the names of images: `native-registry:5000`. */
  readonly name: string
}

/** How a cluster's registry is found; absent where `kind:` means nothing. */
export interface ClusterSearch {
  /** @throws Failure 'not-found' without such a cluster */
  readonly findRegistry?: (cluster: string) => Promise<ClusterRegistry>
}

/** An image in a cluster's registry, by both of its names. */
export interface ImageInCluster {
  readonly image: ImageName
  /** What pods call it. */
  readonly podsImage: ImageName
}

/**
 * Where the image of a `kind:` reference is.
 * @throws Failure 'invalid' when the reference names none, 'unimplemented' without a way to clusters, and of the search
 */
export async function imageInCluster(
  reference: KindReference,
  { findRegistry }: ClusterSearch,
): Promise<ImageInCluster> {
  const { cluster, image } = reference
  if (!image)
    throw new Failure('invalid', 'the name of the image in the cluster is missing', {
      where: referenceText(reference),
      next: [`Write it like ${referenceText({ ...reference, image: { repository: 'app', tag: '1' } })}.`],
    })
  if (!findRegistry)
    throw new Failure('unimplemented', 'images of a cluster cannot be reached from here', {
      where: referenceText(reference),
    })
  const { host, name } = await findRegistry(cluster)
  return { image: { ...image, registry: host }, podsImage: { ...image, registry: name } }
}

/**
 * Where an image in a registry is reached, and what it is called.
 * @throws Failure as imageInCluster does
 */
export async function registryImage(
  reference: RegistryReference,
  around: ClusterSearch,
): Promise<{ image: ImageName; called: ImageName }> {
  if (reference.transport === 'docker') return { image: reference.image, called: reference.image }
  const { image, podsImage } = await imageInCluster(reference, around)
  return { image, called: podsImage }
}

/**
 * A destination in a cluster that names no image takes the name and tag that the image has where it comes from;
 * any other destination stays as it is.
 * @param source what is copied; or what was built, by its name and tag
 */
export function namedLike(destination: Reference, source: Reference | RepositoryImage): Reference {
  if (destination.transport !== 'kind' || destination.image) return destination
  const image = 'transport' in source ? ownName(source) : source
  return image ? { ...destination, image } : destination
}

/** Without the registry, and without the digest: of an index one image may be what is copied. */
function ownName(source: Reference): RepositoryImage | undefined {
  switch (source.transport) {
    case 'docker':
    case 'docker-daemon':
    case 'docker-archive':
      return source.image && tagged(familiar(source.image))
    case 'kind':
      return source.image && tagged(source.image)
    case 'oci':
    case 'oci-archive':
      return nameInLayout(source.name)
    case 'dir':
      return undefined
  }
}

function tagged({ repository, tag = 'latest' }: RepositoryImage): RepositoryImage {
  return { repository, tag }
}

/** What the Hub keeps under `library/` is known without it. */
function familiar(image: ImageName): RepositoryImage {
  const { registry, repository } = image
  return registry === 'docker.io' ? { ...image, repository: repository.replace(/^library\//, '') } : image
}

/** A layout's name may be a whole image's name or a mere tag, which names nothing. */
function nameInLayout(name: string | undefined): RepositoryImage | undefined {
  if (name === undefined || !/[:/]/.test(name)) return undefined
  return tagged(familiar(parseImageName(name)))
}
