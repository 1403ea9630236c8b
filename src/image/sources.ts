import { readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { Failure } from '../core/failure.ts'
import { ifThere } from '../host/files.ts'
import {
  builtInFile,
  definitionFolder,
  type ImageDefinition,
  imageNames,
  noImage,
  parseDefinition,
} from './definition.ts'
import { deriveTag, entering, relevantPaths, type TagFacts } from './tag.ts'
import { commitTree } from './tree/commit.ts'
import type { Environment } from './tree/environment.ts'
import { folderTree } from './tree/folder.ts'
import { checkoutOf, type GitPlace, repositoryAbove } from './tree/git.ts'
import { commitOf } from './tree/named-commit.ts'
import { parseRemoteRef, remoteTree } from './tree/remote.ts'
import type { SourceTree } from './tree/tree.ts'
import { workingTree } from './tree/working.ts'

/** What the user asked for, and the current folder. */
export interface SourceQuery {
  /** Absent for the working tree; else a commit, branch or tag, `github:`, or a git URL. */
  readonly ref: string | undefined
  /** One of `native`'s own definitions. */
  readonly image: string
  /** A definition of the user's own; `image` is then ignored. */
  readonly definitionFile: string | undefined
  readonly cwd: string
  /** `native`'s own folder. */
  readonly root: string
  /** A persistent folder for fetched repositories. */
  readonly cache: string
  /** The environment for git. */
  readonly env: Environment
  readonly signal: AbortSignal
}

/** A definition at a state of its sources. */
export interface ImageSources {
  /** The definition's file, relative to the tree's root. */
  readonly file: string
  readonly definition: ImageDefinition
  /** The definition's folder in the tree; the files that it names are relative to it. */
  readonly folder: string
  readonly tree: SourceTree
}

/** Recorded by `npm pack` from a checkout, since the package has none (native image tag uses it). */
const recordedFile = 'dist/image-tags.json'

/**
 * The tag of an image. In an installed package, without a checkout and without a REF, the one recorded when the package
 * was made.
 * @throws Failure 'not-found', 'invalid', 'program'
 */
export async function imageTag(query: SourceQuery): Promise<TagFacts> {
  const sources = await findSources(query)
  if (sources) return deriveTag(sources.definition, sources.folder, sources.tree, sources.file)
  return recordedTag(query)
}

/**
 * The tags of all images defined in the sources, by name: what a package records of the checkout that it is made from.
 */
export async function imageTags(query: SourceQuery): Promise<Record<string, TagFacts>> {
  const first = await findSources({ ...query, image: 'native', definitionFile: undefined })
  if (!first) return recordedTags(query)
  const tags: Record<string, TagFacts> = {}
  for (const image of await imagesIn(first.tree))
    tags[image] = await imageTag({ ...query, image, definitionFile: undefined })
  return tags
}

/**
 * Finds the definition and its sources; null for an installed package without a checkout.
 */
export async function findSources(query: SourceQuery): Promise<ImageSources | null> {
  const remote = query.ref === undefined ? undefined : parseRemoteRef(query.ref)
  const own = query.definitionFile === undefined ? undefined : ownFile(query.cwd, query.definitionFile)
  const asked = own === undefined ? query.image : null
  if (remote) {
    const file = own === undefined ? builtInFile(query.image) : await pathInCheckout(query, own)
    return read(await remoteTree(remote, query.cache, query.env, query.signal), file, asked)
  }
  const checkout = own === undefined ? await ownCheckout(query) : await checkoutOf(placeOf(query, dirname(own)))
  if (checkout === null) {
    if (query.ref !== undefined) throw noCheckout(query.ref, own)
    return own === undefined ? null : read(folderTree(dirname(own)), basename(own), asked)
  }
  const file = own === undefined ? builtInFile(query.image) : await inside(checkout, own)
  const at = placeOf(query, checkout)
  if (query.ref === undefined) return readWorking(at, file, asked)
  return read(commitTree(at, await commitOf(at, query.ref)), file, asked)
}

/** @throws Failure 'invalid' for an empty name, which would mean the folder */
function ownFile(cwd: string, file: string): string {
  if (file !== '') return resolve(cwd, file)
  throw new Failure('invalid', 'the name of the definition is empty', { where: '--definition' })
}

function placeOf(query: Pick<SourceQuery, 'env'>, cwd: string): GitPlace {
  return { cwd, env: query.env }
}

/** @param image the name if it was asked for by name */
async function read(tree: SourceTree, file: string, image: string | null): Promise<ImageSources> {
  const bytes = await tree.read(file).catch(async (error: unknown) => {
    if (image === null || !(error instanceof Failure) || error.kind !== 'not-found') throw error
    throw noImage(image, await imagesIn(tree), error)
  })
  const definition = parseDefinition(new TextDecoder().decode(bytes), file)
  const folder = dirname(file)
  return { file, definition, tree, folder: folder === '.' ? '' : folder }
}

/** The names of the images that are defined in the sources. */
async function imagesIn(tree: SourceTree): Promise<string[]> {
  return imageNames((await tree.files([definitionFolder])).map(({ path }) => path.slice(definitionFolder.length + 1)))
}

/** Which changes make it dirty depends on the definition, so that is read first. */
async function readWorking(at: GitPlace, file: string, image: string | null): Promise<ImageSources> {
  const first = await read(folderTree(at.cwd), file, image)
  const { definition, folder } = first
  const enters = entering(definition, folder)
  const paths = [file, ...relevantPaths(definition, folder)]
  const tree = await workingTree(at, paths, (path) => path === file || enters(path))
  return { ...first, tree }
}

/**
 * The checkout whose images are meant: the one around the current folder if it is one of `native`, else the program's
 * own; null if there is none.
 * @throws Failure 'program' when git cannot read it
 */
export async function ownCheckout(query: Pick<SourceQuery, 'cwd' | 'root' | 'env'>): Promise<string | null> {
  for (const folder of [query.cwd, query.root]) {
    // First without git: whether git can read some other repository does not matter here.
    const above = await repositoryAbove(folder)
    if (above === null || !(await isFile(join(above, builtInFile('native'))))) continue
    const checkout = await checkoutOf(placeOf(query, folder))
    if (checkout !== null) return checkout
  }
  return null
}

async function recordedTag(query: SourceQuery): Promise<TagFacts> {
  const recorded = await recordedTags(query)
  const facts = recorded[query.image]
  if (facts) return facts
  const names = Object.keys(recorded)
  throw new Failure('not-found', `this package records no tag of an image "${query.image.slice(0, 100)}"`, {
    where: join(query.root, recordedFile),
    next: [
      ...(names.length > 0 ? [`There are: ${names.join(', ')}.`] : []),
      'Give the sources: native image tag github:OWNER/REPO, or run it in a checkout.',
    ],
  })
}

async function recordedTags({ root }: SourceQuery): Promise<Record<string, TagFacts>> {
  return JSON.parse((await ifThere(readFile(join(root, recordedFile), 'utf8'))) ?? '{}') as Record<string, TagFacts>
}

async function pathInCheckout(query: SourceQuery, file: string): Promise<string> {
  const checkout = await checkoutOf(placeOf(query, dirname(file)))
  return checkout === null ? basename(file) : inside(checkout, file)
}

async function inside(checkout: string, file: string): Promise<string> {
  const [root, path] = await Promise.all([realpath(checkout), realpath(file).catch(notThere(file))])
  const found = relative(root, path).split(sep).join('/')
  if (found !== '..' && !found.startsWith('../')) return found
  throw new Failure('invalid', 'the definition is a symbolic link that leads out of its checkout', {
    where: file,
    next: [`Name the file itself: ${path}`],
  })
}

function notThere(file: string) {
  return (error: unknown): never => {
    throw new Failure('not-found', 'there is no such definition', { where: file, cause: error })
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await ifThere(stat(path), 'ENOTDIR'))?.isFile() ?? false
}

/** @param own the user's definition, if it is one */
function noCheckout(ref: string, own: string | undefined): Failure {
  const named = `"${ref.slice(0, 100)}" is looked for in`
  if (own !== undefined)
    return new Failure('not-found', `${named} the repository of the definition, but it is not in one`, {
      where: own,
      next: ['Leave it out to use the files as they are, or name a repository: github:OWNER/REPO/REF.'],
    })
  return new Failure('not-found', `${named} a checkout of native, but this is not one`, {
    where: 'REF',
    next: ['Run it in a checkout, or name a repository: github:OWNER/REPO/REF.'],
  })
}
