import type { Limits } from './limits/limits.ts'

/** One process to start, and what its slot's shell does around it. */
export interface ProcessRequest {
  /**
   * As the program sees them, its own name first. A name with a slash is relative to `cwd`; any
   * other is looked up in the PATH of `env`, or in `searchPath` where that sets none.
   */
  readonly args: readonly string[]
  /** Where the program was found; absolute. */
  readonly file: string
  /** Exactly what the program sees. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute. */
  readonly cwd: string
  /** The action's own folder, which `cwd` is in; default: `cwd`. A sandbox shows nothing else of the worker's folders. */
  readonly root?: string
  /** Whether a sandbox leaves it the machine's network. */
  readonly network?: boolean
  /** The files of an image, a folder of the machine, that a sandbox shows in place of the machine's. */
  readonly image?: string | undefined
  readonly searchPath: string
  /** What it may take; default: what the spawner's processes may. */
  readonly allowed?: Limits
  /** It has a standard input, to which `Process.write` writes; the slot ends with it. Default: an empty one. */
  readonly interactive?: boolean
  /**
   * Commands that the slot's shell runs one after the other before the process starts, in the
   * slot's own mount namespace: a mount, for instance. If one fails, the process is not started.
   */
  readonly before?: readonly (readonly string[])[]
  /** Commands that it runs once everything of the process is dead, also those after one that failed. */
  readonly after?: readonly (readonly string[])[]
}

/** What a slot's shell needs to be told its way. */
export interface SlotShape {
  /** The shell passes on exactly what is exported; otherwise `env` makes the environment. */
  readonly plain: boolean
  /** Printed to the process's standard error when it could not be started. */
  readonly mark: string
  /** Redirects standard output and error. */
  readonly streams: string
  /** Goes in front of each program. */
  readonly prefix: readonly string[]
  /** Lines of the shell that limit what the process may take. */
  readonly limits: readonly string[]
  /** What starts `env` and `nice` where it is not their names. */
  readonly tools?: (name: 'env' | 'nice') => readonly string[]
}

/** What a shell's exit code is when it could not execute a program. */
const refusalCodes: readonly number[] = [126, 127]

/** What a shell's own variables would do to a program, or the shell to them. */
const shellOwn = new Set(['OPTIND', 'OPTARG', 'LINENO', 'PPID', '_', 'RANDOM', 'SECONDS', 'FUNCNAME', 'ATTY'])

/**
 * What the C library of a program reads, most of which glibc and musl ignore in a set-user-ID program. What comes in front of an
 * action's program still has capabilities, and must not load what the action says: neither a library nor a catalogue of messages,
 * whose texts are formats. Besides, its errors are read here, and are to be in English. Sources: environ(7), gettext(3), glibc's
 * sysdeps/generic/unsecvars.h.
 */
const ofLibrary =
  /^(LD_|GLIBC_|MALLOC_|MUSL_|LC_|RES_|RESOLV_|TEXTDOMAIN|(GCONV_PATH|GETCONF_DIR|HOSTALIASES|LANG|LANGUAGE|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|OUTPUT_CHARSET|TZDIR)$)/

/**
 * Writes what a slot's shell reads for one process. Everything of the request is quoted, so that
 * no shell interprets it.
 *
 * The process is a child that the shell waits for, not one in the background: those get SIGINT and
 * SIGQUIT ignored. File descriptors as slot-script.ts has them; see `Enclosure.streams`.
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
    `cd ${quoted(request.cwd)} || exit 126`,
    ...start(request, shape),
    // The shell, which waits, reads no more than its line; it must not take what is left for the next one.
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
 * What was said about a process that could not be started, without the mark; undefined for one that
 * was, whatever it wrote and however it ended.
 * @param text its standard error
 */
export function refusalOf(request: ProcessRequest, { plain, mark, prefix }: SlotShape, code: number, text: string) {
  if (!refusalCodes.includes(code)) return undefined
  const exported = isExported(request, plain)
  const byEnv = !exported && /^(\S+\/)?(env|nice): /.test(text) && text.includes(givenTo(request))
  const byPrefix = exported && prefix.length > 0 && text.startsWith(`setpriv: failed to execute ${givenTo(request)}: `)
  return byEnv || byPrefix || text.includes(mark) ? text.replaceAll(mark, '').trim() : undefined
}

function start(request: ProcessRequest, { plain, prefix, tools = (name) => [name] }: SlotShape): string[] {
  const { args, env, searchPath } = request
  const found = givenTo(request)
  if (isExported(request, plain)) {
    const variables = Object.entries(env).map(([key, value]) => `${key}=${quoted(value)}`)
    return [
      // What the slot was started with, and what shells export of their own accord.
      'unset PATH PWD OLDPWD SHLVL',
      // Without a variable, `export` would list those that there are.
      ...(variables.length > 0 ? [`export ${variables.join(' ')}`] : []),
      `exec ${shellWords([...prefix, found, ...args.slice(1)])}`,
    ]
  }
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  // `nice` changes nothing: it is there because `env` takes a program with an equals sign for a variable.
  const runner = found.includes('=') ? [...tools('nice'), '-n', '0'] : []
  const argv = [...prefix, ...tools('env'), '-i', '--', ...variables, ...runner, found, ...args.slice(1)]
  return [`PATH=${quoted(searchPath)}`, `exec ${shellWords(argv)}`]
}

/** Can the shell itself make the environment? Some give a percent sign in PATH a meaning. */
function isExported({ args, env }: ProcessRequest, plain: boolean): boolean {
  const usualPath = !env['PATH']?.includes('%')
  return plain && usualPath && Object.keys(env).every(isUsual) && !args[0]?.startsWith('-')
}

/** The program as it is started: whatever starts it looks up a name in the PATH of the new environment alone. */
function givenTo({ args: [name = ''], file, env }: ProcessRequest): string {
  return name.startsWith('-') || !(name.includes('/') || 'PATH' in env) ? file : name
}

function isUsual(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !shellOwn.has(name) && !ofLibrary.test(name)
}

function shellWords(argv: readonly string[]): string {
  return argv.map(quoted).join(' ')
}

/** Nothing has a meaning between single quotes but the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
