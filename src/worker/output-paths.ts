import { mkdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathSegments } from '../client/paths.ts'
import { checkName } from '../core/directory.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'

/** What a client wants to have of an action, in one form for all dialects of the API. */
export interface WantedOutput {
  /** As the client wrote it, which is how the result names it. */
  readonly path: string
  /** From the input root on. */
  readonly segments: readonly string[]
  /** output_paths takes what it finds; the fields before API 2.1 say what it has to be. */
  readonly kind: 'any' | 'file' | 'directory'
}

/** More outputs than this no action has. */
const outputsMax = 100_000

/**
 * The outputs of a Command. output_paths replaces the two older fields, and clients send all
 * three (rule 35).
 * @throws Failure 'invalid' for a path that is absolute or leads out of the input root
 */
export function wantedOutputs(command: re.Command.$Properties, workingDirectory: readonly string[]): WantedOutput[] {
  const paths = command.outputPaths ?? []
  const files = command.outputFiles ?? []
  const directories = command.outputDirectories ?? []
  if (paths.length + files.length + directories.length > outputsMax)
    throw new Failure('invalid', `the Command names more than ${outputsMax} outputs`)
  const wanted = (kind: WantedOutput['kind'], field: string) => (path: string) => ({
    path,
    segments: outputSegments(path, workingDirectory, field),
    kind,
  })
  if (paths.length > 0) return paths.map(wanted('any', 'output_paths'))
  return [...files.map(wanted('file', 'output_files')), ...directories.map(wanted('directory', 'output_directories'))]
}

/** The working directory's segments (rule 37); buildbox's clients write `.` for the input root. */
export function workingSegments(command: re.Command.$Properties): string[] {
  const path = command.workingDirectory ?? ''
  return path === '.' ? [] : pathSegments(path, 'working_directory')
}

/**
 * Makes the folders that the outputs go to, but not the outputs' own (rule 36). Only those of
 * output_directories are made themselves: clients of API 2.0 send nothing else for a tree that
 * their rules write into without making it (Bazel 4).
 * @throws Failure 'invalid' when an input is in the way
 */
export function makeOutputParents(root: string, wanted: readonly WantedOutput[]): void {
  const made = new Set<string>()
  for (const { segments, path, kind } of wanted) {
    const folders = kind === 'directory' ? segments : segments.slice(0, -1)
    let parent = root
    for (const folder of folders) {
      parent = join(parent, folder)
      if (made.has(parent)) continue
      made.add(parent)
      makeFolder(root, parent, path)
    }
  }
}

/** One at a time: nothing is made behind a symlink before it is known where that leads. */
function makeFolder(root: string, folder: string, path: string): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
      throw new Failure('invalid', 'an input stands where the folder of an output has to be', {
        where: path,
        cause: error,
      })
    assertContained(root, folder, path)
  }
}

/**
 * Does the folder really lie in the action's? An input or an action may have put a symlink on
 * the way to it.
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

/** `..` is allowed as long as it stays inside: some clients write paths from deep working directories. */
function outputSegments(path: string, workingDirectory: readonly string[], field: string): string[] {
  const bad = (what: string) => new Failure('invalid', `${field}: ${what}`, { where: path.slice(0, 200) })
  if (path.startsWith('/')) throw bad('the path must be relative')
  if (path.length > 4096) throw bad('the path is longer than 4096 characters')
  const segments = [...workingDirectory]
  if (path === '') return segments
  for (const segment of path.split('/')) {
    if (segment === '..') {
      if (segments.pop() === undefined) throw bad('the path leads out of the input root')
    } else if (segment !== '.') {
      checkName(segment, `${field}: ${path.slice(0, 200)}`)
      segments.push(segment)
    }
  }
  return segments
}
