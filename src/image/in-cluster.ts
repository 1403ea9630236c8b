import { Failure } from '../core/failure.ts'
import { type ImageName, parseImageName, type RepositoryImage } from './name.ts'
import { type KindReference, type Reference, type RegistryReference, referenceText } from './reference.ts'

/** A cluster's own registry, as seen from either side. */
export interface ClusterRegistry {
  /** For programs on this machine: `127.0.0.1:PORT`. */
  readonly host: string
  /** For pods, in image names: `native-registry:5000`. */
  readonly name: string
}

/** How to find a cluster's registry; absent where `kind:` is not supported. */
export interface ClusterSearch {
  /** @throws Failure 'not-found' without such a cluster */
  readonly findRegistry?: (cluster: string) => Promise<ClusterRegistry>
}

/** An image in a cluster's registry, by both of its names. */
export interface ImageInCluster {
  readonly image: ImageName
  /** Its name for pods. */
  readonly podsImage: ImageName
}

/**
 * The image of a `kind:` reference.
 * @throws Failure 'invalid' when the reference names none, 'unimplemented' without access to clusters, and those of
 *   the search
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
 * How to reach an image in a registry, and its name.
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
 * A destination in a cluster without an image name takes name and tag from the source; any other destination stays as
 * it is.
 * @param source what is copied; or the name and tag of what was built
 */
export function namedLike(destination: Reference, source: Reference | RepositoryImage): Reference {
  if (destination.transport !== 'kind' || destination.image) return destination
  const image = 'transport' in source ? ownName(source) : source
  return image ? { ...destination, image } : destination
}

/** Without the registry and the digest: a single image of an index may be what is copied. */
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

/** Images in the Hub's `library/` are known without that prefix. */
function familiar(image: ImageName): RepositoryImage {
  const { registry, repository } = image
  return registry === 'docker.io' ? { ...image, repository: repository.replace(/^library\//, '') } : image
}

/** A name in a layout may be a full image name or only a tag, which does not name an image. */
function nameInLayout(name: string | undefined): RepositoryImage | undefined {
  if (name === undefined || !/[:/]/.test(name)) return undefined
  return tagged(familiar(parseImageName(name)))
}
