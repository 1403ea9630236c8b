import { readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'

/** A Command's arguments, split as Bazel splits them for a persistent worker. */
export interface PartedArguments {
  /** What the process is started with. */
  readonly startup: readonly string[]
  /** The arguments of each request, including flag files. */
  readonly flags: readonly string[]
}

const flagFile = /^(?:@|--?flagfile=)./
/** `@repository//package:target` names a target, not a file. */
const externalLabel = /^@.*\/\//
const nestingMax = 32
const argumentsMax = 1_000_000
const flagFileBytesMax = 64 * 1024 * 1024

/** undefined for a command without a flag file, of which nothing could go into a request. */
export function partArguments(args: readonly string[]): PartedArguments | undefined {
  const isFlag = (arg: string) => flagFile.test(arg)
  if (!args.some(isFlag)) return undefined
  return { startup: [...args.filter((arg) => !isFlag(arg)), '--persistent_worker'], flags: args.filter(isFlag) }
}

/**
 * Replaces each `@file` by the file's lines, recursively. As with Bazel, `@@` and labels stay as they are, and so does
 * `--flagfile=`, which tools read themselves.
 * @param cwd what the names are relative to, in `root`
 * @returns undefined when a file is not an input: what the tool makes of that name shows when the command runs by
 *   itself
 * @throws Failure 'invalid' for endless recursion
 */
export function expandArguments(flags: readonly string[], root: string, cwd: string): string[] | undefined {
  const expanded: string[] = []
  let isWhole = true
  let bytes = 0
  const expand = (arg: string, depth: number) => {
    if (!arg.startsWith('@') || arg.startsWith('@@') || externalLabel.test(arg)) {
      if (expanded.push(arg) > argumentsMax) throw endless(arg)
      return
    }
    const text = depth < nestingMax ? readFlagFile(arg.slice(1), root, cwd) : ''
    if (text === undefined) {
      isWhole = false
      return
    }
    bytes += text.length
    if (depth >= nestingMax || bytes > flagFileBytesMax) throw endless(arg)
    const lines = text.split(/\r\n|\r|\n/)
    if (lines.at(-1) === '') lines.pop()
    for (const line of lines) expand(line, depth + 1)
  }
  for (const flag of flags) expand(flag, 0)
  return isWhole ? expanded : undefined
}

/** undefined for a path that is not a file among the inputs. */
function readFlagFile(name: string, root: string, cwd: string): string | undefined {
  if (name.startsWith('/')) return undefined
  try {
    const path = realpathSync(join(cwd, name))
    const stats = statSync(path)
    if (!path.startsWith(`${root}/`) || !stats.isFile()) return undefined
    if (stats.size > flagFileBytesMax) throw endless(`@${name}`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

function endless(where: string): Failure {
  return new Failure('invalid', 'the flag files of the Command are too large, or include each other', { where })
}
