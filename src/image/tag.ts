import { createHash } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { isRecord } from '../core/record.ts'
import type { ContentDigest } from './content-digest.ts'
import type { ImageDefinition } from './definition.ts'
import { imageNameText } from './name.ts'
import { platformText } from './platform.ts'
import type { SourceTree, TreeFile } from './tree/tree.ts'

/**
 * Incremented when the same inputs give a different image: a change in the order of layers, in compression, in what is
 * left out. All releases of `native` with the same number derive the same tag from the same commit.
 */
export const builderVersion = 1

/** Paths of a checkout that the program in the image is built from. */
export const programPaths: readonly string[] = [
  'bin',
  'commands',
  'package-lock.json',
  'package.json',
  'protos',
  'src',
  'templates',
  'tsconfig.json',
  'vite.config.ts',
  'web',
]

/** What a tag is derived from; `native image tag --json` prints it. */
export interface TagFacts {
  readonly tag: string
  readonly image: string
  /** The commit, or null if there is none; the tag does not depend on it. */
  readonly revision: string | null
  readonly dirty: boolean
  readonly inputs: TagInputs
}

export interface TagInputs {
  readonly builder: number
  /** A digest of the definition's meaning: comments in it do not matter. */
  readonly definition: string
  readonly base: ContentDigest | 'scratch'
  readonly platforms: readonly string[]
  /** git's id of package-lock.json, if the program is in the image. */
  readonly packageLock: string | null
  /** A digest of mode, path and id of every file that counts, and the number of them. */
  readonly files: string
  readonly fileCount: number
}

/**
 * The tag of an image at a state of its sources: a hash of everything in them that determines the image and of nothing
 * else, so it is known without building. 32 hex digits, followed by `-dirty` if files differ from the commit. Another
 * base and SOURCE_DATE_EPOCH are not part of it: they are not sources.
 * @param folder the definition's folder in the tree, which its files are relative to; '' is the root
 * @param file the definition's, for errors
 * @throws Failure 'not-found' when a file that the definition names does not count
 */
export async function deriveTag(
  definition: ImageDefinition,
  folder: string,
  tree: SourceTree,
  file: string = definition.name,
): Promise<TagFacts> {
  const files = await enteringFiles(definition, folder, tree)
  const there = new Set(files.flatMap((each) => withFolders(each.path)))
  for (const [at, path] of ownPaths(definition, folder).entries())
    if (!there.has(path)) throw await missing(definition, at, { path, tree, file })
  const inputs: TagInputs = {
    builder: builderVersion,
    definition: digestOfJson(definition),
    base: definition.base === 'scratch' ? 'scratch' : definition.base.digest,
    platforms: definition.platforms.map(platformText),
    packageLock: definition.program ? (files.find((each) => each.path === 'package-lock.json')?.id ?? null) : null,
    files: digestOfJson(files.map((each) => [each.mode, each.path, each.id])),
    fileCount: files.length,
  }
  const hash = digestOfJson(inputs).slice(0, 32)
  const tag = tree.dirty ? `${hash}-dirty` : hash
  return { tag, image: definition.name, revision: tree.revision, dirty: tree.dirty, inputs }
}

/** Every path whose change can change the image. */
export function relevantPaths(definition: ImageDefinition, folder: string): string[] {
  return [...new Set([...(definition.program ? programPaths : []), ...ownPaths(definition, folder)])].sort()
}

/** Does a file affect the program? Notes beside sources do not. */
export function entersProgram(path: string): boolean {
  return path.startsWith('templates/') || !path.endsWith('.md')
}

/** Which files under the relevant paths affect the image. */
export function entering(definition: ImageDefinition, folder: string): (path: string) => boolean {
  const own = ownPaths(definition, folder)
  return (path) => own.some((each) => path === each || path.startsWith(`${each}/`)) || entersProgram(path)
}

async function enteringFiles(definition: ImageDefinition, folder: string, tree: SourceTree): Promise<TreeFile[]> {
  const paths = relevantPaths(definition, folder)
  if (paths.length === 0) return []
  const enters = entering(definition, folder)
  return (await tree.files(paths)).filter((each) => enters(each.path))
}

/** The definition's files, relative to the tree's root. */
export function ownPaths(definition: ImageDefinition, folder: string): string[] {
  return definition.files.map((each) => (folder === '' ? each.from : `${folder}/${each.from}`))
}

function withFolders(path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'))
}

/**
 * Why a file of a definition does not count.
 * @param at which of its files
 * @param path that file, relative to the tree's root
 */
export async function missing(
  { files }: ImageDefinition,
  at: number,
  { path, tree, file }: { path: string; tree: SourceTree; file: string },
): Promise<Failure> {
  const named = `files[${at}].from: `
  const from = files[at]?.from
  if (await tree.ignores(path))
    return new Failure(
      'not-found',
      `${named}"${from}" is there, but git ignores it, so it does not go into the image`,
      {
        where: file,
        next: ['Remove it from .gitignore, or add it to git anyway: git add -f.'],
      },
    )
  return new Failure('not-found', `${named}there is no "${from}" among the sources`, {
    where: file,
    next: ['It has to be beside the definition, and a folder must contain a file.'],
  })
}

function digestOfJson(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) => (isRecord(each) ? sortedByKey(each) : each))
  return createHash('sha256').update(text).digest('hex')
}

/** Sorted by key, so that the order in the YAML file does not matter. */
export function sortedByKey<T>(value: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** The base as locked: `host/path:tag@digest`. */
export function baseText(definition: ImageDefinition): string {
  if (definition.base === 'scratch') return 'scratch'
  return imageNameText({ ...definition.base.image, digest: definition.base.digest })
}
