import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../../core/failure.ts'
import { type Enclosure, reopenedStreams } from '../enclosure.ts'
import { enclosedInNamespaces, inNamespaces } from '../namespace.ts'
import { findProgram } from '../program.ts'
import { sandboxScript } from '../slot-script.ts'
import { createCell } from './cell.ts'
import { launcherPath, makeLauncher } from './launcher.ts'
import { mountTable } from './mounts.ts'
import { filtered } from './seccomp.ts'
import { setUpScript } from './set-up.ts'
import { makeTools, type Tools } from './tools.ts'
import { viewOf } from './view.ts'

export interface SandboxOptions {
  /** Holds the slots' folders: on the file system of the actions' folders. */
  readonly directory: string
  /** Paths on the machine that actions see in addition to the usual ones. */
  readonly paths: readonly string[]
  /** Removes a folder, now or later. */
  readonly discard: (path: string) => void
  /** macOS's program sandbox-exec; default: where macOS has it. */
  readonly sandboxExec?: string
}

/** For setpriv: an action has no capabilities, whatever user it runs as, and no program gives it any. */
const powerless = ['--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all']

/**
 * All kinds of namespaces, with a root that shows the machine's programs read-only and nothing of its users. The shell
 * keeps its capabilities and actions have none, so no action can look into it.
 * @param image the files of an image, shown in place of the machine's
 * @param path where the programs are
 * @throws Failure 'unavailable' or a system error when it cannot be made
 */
export function sandboxEnclosure(
  options: SandboxOptions,
  name: string,
  network: boolean,
  image: string | undefined,
  isRoot: boolean,
  path: string,
): Enclosure {
  if (process.platform !== 'linux')
    throw new Failure('unavailable', 'this sandbox needs Linux; with "sandbox: on", macOS uses sandbox-exec')
  const setpriv = findProgram('setpriv', { PATH: path }, '/')
  if ('problem' in setpriv) throw new Failure('unavailable', 'the program setpriv (package util-linux) is missing')
  const user = isRoot ? [] : ['--user', '--map-current-user', '--keep-caps']
  const spaces = ['--ipc', '--uts', ...(network ? [] : ['--net'])]
  mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  const directory = join(options.directory, name)
  const cell = createCell(directory, options.discard)
  const root = join(directory, 'root')
  const table = join(directory, 'mounts')
  const tools = image === undefined ? undefined : toolsFor(options, path)
  const shown = image !== undefined && tools && { tree: image, tools: tools.directory }
  const launcher = launcherOf(options.directory, path)
  const seen = { paths: options.paths, network, cell: directory, isRoot }
  const view = viewOf({ ...seen, ...(launcher && { launcher: launcher.file }), ...(shown && { image: shown }) })
  writeFileSync(table, mountTable(view.mounts, root))
  return {
    kind: 'sandbox',
    argv: [...inNamespaces([...user, ...spaces]), ...filtered(process.arch, path)],
    streams: `${reopenedStreams} 7<&- 8<&- 9<&-`,
    script: sandboxScript(setUpScript(view, { root, table }, network, tools)),
    mark: '',
    prefix: launcher
      ? [launcherPath, ...(tools ? tools.command('env') : [launcher.env]), '--']
      : [...(tools ? tools.command('setpriv') : [setpriv.file]), ...powerless, '--'],
    ...(tools && { tools: tools.command }),
    cell,
    enclosed: (pid) => enclosedInNamespaces(pid, isRoot, path),
  }
}

/** The launcher, and the program that it leaves to look names up; undefined where either is not to be had. */
function launcherOf(directory: string, path: string): { readonly file: string; readonly env: string } | undefined {
  const env = findProgram('env', { PATH: path }, '/')
  const file = join(directory, 'launch')
  return 'file' in env && makeLauncher(file) ? { file, env: env.file } : undefined
}

/**
 * Why no action can run in an image even though sandboxes can be made; undefined if it can.
 * @param path where the programs are
 */
export function imageTrouble(options: SandboxOptions, path: string): string | undefined {
  try {
    toolsFor(options, path)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function toolsFor({ directory }: SandboxOptions, path: string): Tools {
  return makeTools(join(directory, 'tools'), path)
}
