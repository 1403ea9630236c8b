import { mkdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { checkName } from '../core/directory.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { createTimeSlice } from '../host/time-slice.ts'
import type { re } from '../wire/proto.ts'

/** An output that a client asks for, in one form for all dialects of the API. */
export interface DeclaredOutput {
  /** As the client wrote it, and as the result names it. */
  readonly path: string
  /** Relative to the input root. */
  readonly segments: readonly string[]
  /** output_paths accepts any kind; the fields from before API 2.1 say what it has to be. */
  readonly kind: 'any' | 'file' | 'directory'
}

/** The most outputs of an action. */
const outputsMax = 100_000

/**
 * The outputs of a Command. output_paths replaces the two older fields, and clients send all
 * three (rule 35).
 * @throws Failure 'invalid' for a path that is absolute or leads out of the input root
 */
export function declaredOutputs(
  command: re.Command.$Properties,
  workingDirectory: readonly string[],
): DeclaredOutput[] {
  const paths = command.outputPaths ?? []
  const files = command.outputFiles ?? []
  const directories = command.outputDirectories ?? []
  if (paths.length + files.length + directories.length > outputsMax)
    throw new Failure('invalid', `the Command names more than ${outputsMax} outputs`)
  const declared = (kind: DeclaredOutput['kind'], field: string) => (path: string) => ({
    path,
    segments: relativeSegments(path, workingDirectory, field),
    kind,
  })
  if (paths.length > 0) return paths.map(declared('any', 'output_paths'))
  return [
    ...files.map(declared('file', 'output_files')),
    ...directories.map(declared('directory', 'output_directories')),
  ]
}

/**
 * The working directory's segments (rule 37). Clients write the same folder in various ways: `.` for the input root
 * (buildbox), `./a`, `a/`, `a//b`.
 * @throws Failure 'invalid' for a path that is absolute or goes up
 */
export function workingSegments(command: re.Command.$Properties): string[] {
  const path = command.workingDirectory ?? ''
  const segments = path.split('/').filter((segment, at) => segment !== '.' && (segment !== '' || at === 0))
  if (path.startsWith('/') || segments.includes('..'))
    throw new Failure('invalid', 'working_directory: the path must be relative and must not contain ..', {
      where: path.slice(0, 200),
    })
  return relativeSegments(segments.join('/'), [], 'working_directory')
}

/**
 * Makes the working directory where the input tree lacks it: Bazel with --experimental_sibling_repository_layout, and
 * reclient, name one that no input lies in.
 * @throws Failure 'invalid' when an input is in the way, 'precondition' when a symlink leads out
 */
export function makeWorkingDirectory(root: string, working: readonly string[]): void {
  const inTheWay = 'working_directory is not a directory of the input root'
  let folder = root
  for (const segment of working) {
    folder = join(folder, segment)
    makeFolder(root, folder, working.join('/'), inTheWay)
  }
}

/**
 * Makes the parent folders of the outputs, but not the outputs themselves (rule 36). Only output_directories are made
 * themselves: clients of API 2.0 send nothing else for a tree that their rules write into without creating it (Bazel
 * 4).
 * @throws Failure 'invalid' when an input is in the way
 */
export async function makeOutputParents(root: string, declared: readonly DeclaredOutput[]): Promise<void> {
  const made = new Set<string>()
  const slice = createTimeSlice()
  for (const { segments, path, kind } of declared) {
    if (slice.over) await slice.next()
    const folders = kind === 'directory' ? segments : segments.slice(0, -1)
    let parent = root
    for (const folder of folders) {
      parent = join(parent, folder)
      if (made.has(parent)) continue
      made.add(parent)
      makeFolder(root, parent, path, 'an input is where the folder of an output has to be')
    }
  }
}

/** One level at a time: nothing is created behind a symlink before it is known where that leads. */
function makeFolder(root: string, folder: string, path: string, inTheWay: string): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
      throw new Failure('invalid', inTheWay, { where: path, cause: error })
    assertContained(root, folder, path)
  }
}

/**
 * Checks that the folder really lies inside the action's. An input or an action may have put a symlink on the way to
 * it.
 * @throws Failure 'precondition'
 */
export function assertContained(root: string, folder: string, path: string): void {
  const real = realpathSync(folder)
  if (real === root || real.startsWith(`${root}/`)) return
  throw new Failure('precondition', 'an output lies behind a symlink that leads out of the input root', {
    where: `${path} (${relative(root, folder)})`,
  })
}

/** The folder that holds an output. */
export function parentOf(root: string, segments: readonly string[]): string {
  return segments.length === 0 ? root : dirname(join(root, ...segments))
}

/**
 * `.` and a trailing slash, which older clients append to the names of directories, mean nothing. `..` is allowed as
 * long as it stays inside: some clients write paths from deep working directories.
 */
function relativeSegments(path: string, from: readonly string[], field: string): string[] {
  const bad = (what: string) => new Failure('invalid', `${field}: ${what}`, { where: path.slice(0, 200) })
  if (path.startsWith('/')) throw bad('the path must be relative')
  if (path.length > 4096) throw bad('the path is longer than 4096 characters')
  const segments = [...from]
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path
  if (trimmed === '') return segments
  for (const segment of trimmed.split('/')) {
    if (segment === '..') {
      if (segments.pop() === undefined) throw bad('the path leads out of the input root')
    } else if (segment !== '.') {
      checkName(segment, `${field}: ${path.slice(0, 200)}`)
      segments.push(segment)
    }
  }
  return segments
}
