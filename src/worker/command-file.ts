import { shellQuoted } from '../core/shell-word.ts'
import type { Limits } from './limits/limits.ts'

/** One process to start, and what its slot's shell does before and after. */
export interface ProcessRequest {
  /**
   * As the program sees them, its own name first. A name with a slash is relative to `cwd`; any
   * other is looked up in the PATH of `env`, or in `searchPath` where that sets none.
   */
  readonly args: readonly string[]
  /** The program's file; absolute. */
  readonly file: string
  /** Exactly what the program sees. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute. */
  readonly cwd: string
  /** The action's own folder, which `cwd` is in; default: `cwd`. A sandbox shows no other folder of the worker's. */
  readonly root?: string
  /** Whether it may use the machine's network in a sandbox. */
  readonly network?: boolean
  /** The files of an image, in a folder of the machine, which a sandbox shows in place of the machine's own. */
  readonly image?: string | undefined
  readonly searchPath: string
  /** Its limits; default: those of the spawner's processes. */
  readonly allowed?: Limits
  /**
   * It has a standard input, which `Process.write` writes to; the slot ends with the process. Default: an empty one.
   */
  readonly interactive?: boolean
  /**
   * Commands that the slot's shell runs in order before the process starts, in the slot's own mount namespace: a mount,
   * for instance. If one fails, the process is not started.
   */
  readonly before?: readonly (readonly string[])[]
  /** Commands that it runs once all processes are dead, including those after one that failed. */
  readonly after?: readonly (readonly string[])[]
}

/** How a slot's shell has to be addressed. */
export interface SlotShape {
  /** The shell passes on exactly what is exported; otherwise `env` makes the environment. */
  readonly plain: boolean
  /** Printed to the process's standard error when it could not be started. */
  readonly mark: string
  /** Redirects standard output and error. */
  readonly streams: string
  /** Prepended to each program. */
  readonly prefix: readonly string[]
  /** Shell lines that limit what the process may use. */
  readonly limits: readonly string[]
  /** How to start `env` and `nice` where the plain names will not do. */
  readonly tools?: (name: 'env' | 'nice') => readonly string[]
}

/** A shell's exit codes when it could not execute a program. */
const refusalCodes: readonly number[] = [126, 127]

/** Variables of the shell itself: exporting them would affect the program, or assigning them the shell. */
const shellOwn = new Set(['OPTIND', 'OPTARG', 'LINENO', 'PPID', '_', 'RANDOM', 'SECONDS', 'FUNCNAME', 'ATTY'])

/**
 * Variables that a program's C library reads, most of which glibc and musl ignore in a set-user-ID program. The
 * programs in front of an action's own still have capabilities, and must not load anything that the action names:
 * neither a library nor a message catalogue, whose texts are format strings. Besides, their error messages are parsed
 * here, so they have to be in English. Sources: environ(7), gettext(3), glibc's sysdeps/generic/unsecvars.h.
 */
const ofLibrary =
  /^(LD_|GLIBC_|MALLOC_|MUSL_|LC_|RES_|RESOLV_|TEXTDOMAIN|(GCONV_PATH|GETCONF_DIR|HOSTALIASES|LANG|LANGUAGE|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|OUTPUT_CHARSET|TZDIR)$)/

/**
 * Writes the script that a slot's shell reads for one process. Everything from the request is quoted, so that no shell
 * interprets it.
 *
 * The process is a child that the shell waits for, not a background job, which would have SIGINT and SIGQUIT ignored.
 * slot-script.ts has the file descriptors; see also `Enclosure.streams`.
 */
export function commandFile(request: ProcessRequest, shape: SlotShape): string {
  const { mark, streams, limits } = shape
  const { interactive = false } = request
  return [
    ...(request.before ?? []).map((argv) => `${shellWords(argv)} <&6 >&2 || { echo "before $?"; return; }`),
    '(',
    `trap 'echo ${mark} >&2' EXIT`,
    'begin',
    ...limits,
    `cd ${shellQuoted(request.cwd)} || exit 126`,
    ...start(request, shape),
    // The waiting shell has read only its own line; the process must not consume the lines that follow.
    `) ${interactive ? '' : '<&6 '}${streams} 3>&- 4>&- 5<&- 6>&-`,
    'code=$?',
    'end_all',
    ...(request.after ?? []).map((argv) => `${shellWords(argv)} <&6 >&2 || failed=$?`),
    'answer',
    interactive ? 'exit' : 'return',
    '',
  ].join('\n')
}

/**
 * The error of a process that could not be started, without the mark; undefined for one that was started, whatever it
 * wrote and however it ended.
 * @param text its standard error
 */
export function refusalOf(request: ProcessRequest, { plain, mark, prefix }: SlotShape, code: number, text: string) {
  if (!refusalCodes.includes(code)) return undefined
  const exported = isExported(request, plain)
  // Behind a prefix it is `env` as well that looks up what cannot be executed just so.
  const byEnv =
    (!exported || prefix.length > 0) && /^(\S+\/)?(env|nice): /.test(text) && text.includes(givenTo(request))
  const byPrefix = exported && prefix.length > 0 && text.startsWith(`setpriv: failed to execute ${givenTo(request)}: `)
  return byEnv || byPrefix || text.includes(mark) ? text.replaceAll(mark, '').trim() : undefined
}

function start(request: ProcessRequest, { plain, prefix, tools = (name) => [name] }: SlotShape): string[] {
  const { args, env, searchPath } = request
  const found = givenTo(request)
  if (isExported(request, plain)) {
    const variables = Object.entries(env).map(([key, value]) => `${key}=${shellQuoted(value)}`)
    return [
      // The slot's own environment, and what shells export by themselves.
      'unset PATH PWD OLDPWD SHLVL',
      // Without arguments, `export` would list the variables.
      ...(variables.length > 0 ? [`export ${variables.join(' ')}`] : []),
      `exec ${shellWords([...prefix, found, ...args.slice(1)])}`,
    ]
  }
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  // `nice` changes nothing here; without it `env` would take a program name with an equals sign for a variable.
  const runner = found.includes('=') ? [...tools('nice'), '-n', '0'] : []
  const argv = [...prefix, ...tools('env'), '-i', '--', ...variables, ...runner, found, ...args.slice(1)]
  return [`PATH=${shellQuoted(searchPath)}`, `exec ${shellWords(argv)}`]
}

/** To `env`, which a prefix may look names up by, these would be an option and a variable. */
const oddName = /^-|^[^/]*=[^/]*$/

/** Can the shell itself set up the environment? To some shells a percent sign in PATH is special. */
function isExported({ args: [name = ''], env }: ProcessRequest, plain: boolean): boolean {
  const usualPath = !env['PATH']?.includes('%')
  return plain && usualPath && Object.keys(env).every(isUsual) && !oddName.test(name)
}

/** The program name to start: whatever starts it looks names up only in the PATH of the new environment. */
function givenTo({ args: [name = ''], file, env }: ProcessRequest): string {
  return name.startsWith('-') || !(name.includes('/') || 'PATH' in env) ? file : name
}

function isUsual(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !shellOwn.has(name) && !ofLibrary.test(name)
}

function shellWords(argv: readonly string[]): string {
  return argv.map(shellQuoted).join(' ')
}
