import { Failure } from '../core/failure.ts'
import { type ContentDigest, parseContentDigest } from './content-digest.ts'

/** An image in a registry: `host/path[:tag][@digest]`, with docker's short forms expanded. */
export interface ImageName {
  /** `host[:port]`; docker.io for the Hub. */
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  /** If both are there, the digest decides, as everywhere. */
  readonly digest?: ContentDigest
}

/** An image in a registry known from elsewhere: `path[:tag][@digest]`. */
export type RepositoryImage = Omit<ImageName, 'registry'>

// Grammar: distribution-spec ("Pulling manifests") and distribution/reference.
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagGrammar = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const hostGrammar =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/
const repositoryMax = 255
const portMax = 65_535

/**
 * Parses `ubuntu`, `user/app:1`, `ghcr.io/owner/app@sha256:...`, `localhost:5000/app`. The first component is a host
 * only if it contains a `.`, a `:` or a bracket, or is `localhost`; otherwise the Hub is meant, where a single
 * component is in `library`.
 * @throws Failure 'invalid', saying which part is wrong
 */
export function parseImageName(text: string): ImageName {
  const { path, ...rest } = parts(text)
  const { registry, repository } = splitHost(path)
  if (!hostGrammar.test(registry) || portOf(registry) > portMax)
    throw bad(text, `"${registry}" cannot be a registry's host`)
  assertRepository(repository, text)
  return { registry, repository, ...rest }
}

/**
 * Parses `app`, `team/app:1`, `app@sha256:...`, where no part is a host.
 * @throws Failure 'invalid', saying which part is wrong
 */
export function parseRepositoryImage(text: string): RepositoryImage {
  const { path, ...rest } = parts(text)
  assertRepository(path, text)
  return { repository: path, ...rest }
}

interface Parts {
  readonly path: string
  readonly tag?: string
  readonly digest?: ContentDigest
}

function parts(text: string): Parts {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseContentDigest(text.slice(at + 1))
  const named = at < 0 ? text : text.slice(0, at)
  const lastSlash = named.lastIndexOf('/')
  const colon = named.indexOf(':', lastSlash + 1)
  const tag = colon < 0 ? undefined : named.slice(colon + 1)
  if (tag !== undefined && !tagGrammar.test(tag))
    throw bad(text, `"${tag.slice(0, 150)}" cannot be a tag (letters, digits, _ . -, at most 128)`)
  const path = colon < 0 ? named : named.slice(0, colon)
  return { path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) }
}

function assertRepository(repository: string, text: string): void {
  if (repository.length > repositoryMax)
    throw bad(text, `the name of a repository can have at most ${repositoryMax} characters`)
  const wrong = repository.split('/').find((each) => !component.test(each))
  if (wrong !== undefined) throw bad(text, nameProblem(wrong))
}

/** The full name, ready to paste. */
export function imageNameText(image: ImageName): string {
  return `${image.registry}/${repositoryImageText(image)}`
}

/** The name without its registry. */
export function repositoryImageText({ repository, tag, digest }: RepositoryImage): string {
  return `${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The name as docker shows it: without docker.io/library/, and with a tag. */
export function familiarName(image: ImageName): string {
  const host = image.registry === 'docker.io' ? '' : `${image.registry}/`
  const path = host === '' && image.repository.startsWith('library/') ? image.repository.slice(8) : image.repository
  return `${host}${path}:${image.tag ?? 'latest'}`
}

function splitHost(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const isHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  if (!isHost) return { registry: 'docker.io', repository: name.includes('/') ? name : `library/${name}` }
  if (first !== 'docker.io' && first !== 'index.docker.io')
    return { registry: first, repository: name.slice(slash + 1) }
  const path = name.slice(slash + 1)
  return { registry: 'docker.io', repository: path.includes('/') ? path : `library/${path}` }
}

/** 0 if there is none. */
function portOf(registry: string): number {
  return Number(/:(\d+)$/.exec(registry)?.[1] ?? 0)
}

function nameProblem(wrong: string): string {
  if (wrong === '' || wrong === '.' || wrong === '..') return 'a part of its name is empty or consists of dots'
  if (wrong !== wrong.toLowerCase()) return `"${wrong.slice(0, 100)}" must be lower-case`
  return `"${wrong.slice(0, 100)}" cannot be a part of a repository's name`
}

function bad(text: string, why: string): Failure {
  return new Failure('invalid', `"${text.slice(0, 200)}" is not the name of an image: ${why}`, {
    next: ['Write it as ghcr.io/owner/name:tag or localhost:5000/name@sha256:...'],
  })
}
