import { createHash } from 'node:crypto'
import { isAbsolute, join } from 'node:path'

/** The variables that say where a user's files go, and who the user is. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly tmp: string
  readonly uid: number
}

/** Every path that the process driver touches; all folders are the user's alone (0700). */
export interface ClusterPaths {
  readonly name: string
  /** The folder of all clusters' states; holds the locks too. */
  readonly stateRoot: string
  readonly dataRoot: string
  readonly state: string
  readonly data: string
  readonly logs: string
  readonly configs: string
  /** What the driver remembers: ports and settings. */
  readonly cluster: string
  readonly supervisorSettings: string
  readonly supervisorRecord: string
  readonly supervisorLog: string
  readonly socket: string
  /** The folder around the socket. */
  readonly socketFolder: string
  /** Beside the state folder, so that removing the one does not unlock the other. */
  readonly lock: string
  /** Held while ports are chosen: clusters side by side must not choose the same. */
  readonly portsLock: string
}

/** sun_path has 104 bytes on macOS, 108 on Linux, the closing NUL counted. */
const socketPathBytesMax = 103

/**
 * Where the cluster of this name lives, after the XDG base directory specification: a
 * variable that is unset, empty or relative counts as absent.
 * @param name checked before (cli/base.ts): lower-case letters, digits and dashes
 */
export function clusterPaths(name: string, surroundings: Surroundings): ClusterPaths {
  const stateRoot = join(folder(surroundings, 'XDG_STATE_HOME', '.local/state'), 'native')
  const dataRoot = join(folder(surroundings, 'XDG_DATA_HOME', '.local/share'), 'native')
  const state = join(stateRoot, name)
  const socketFolder = socketFolderOf(state, surroundings)
  return {
    name,
    stateRoot,
    dataRoot,
    state,
    data: join(dataRoot, name),
    logs: join(state, 'logs'),
    configs: join(state, 'config'),
    cluster: join(state, 'cluster.json'),
    supervisorSettings: join(state, 'supervisor.json'),
    supervisorRecord: join(state, 'servers.json'),
    supervisorLog: join(state, 'logs', 'supervisor.log'),
    socket: join(socketFolder, socketName),
    socketFolder,
    lock: join(stateRoot, `.${name}.lock`),
    portsLock: join(stateRoot, '.ports.lock'),
  }
}

const socketName = 's.sock'

/**
 * The state folder, which outlives a login session as the supervisor does. Where that path
 * is too long for a socket: the runtime folder, then the temporary one, under a short name.
 */
function socketFolderOf(state: string, { env, tmp, uid }: Surroundings): string {
  const short = createHash('sha256').update(state).digest('hex').slice(0, 16)
  const runtime = env['XDG_RUNTIME_DIR']
  const candidates = [state, ...(runtime && isAbsolute(runtime) ? [join(runtime, `native-${short}`)] : [])]
  const fits = candidates.find((each) => Buffer.byteLength(join(each, socketName)) <= socketPathBytesMax)
  return fits ?? join(tmp, `native-${uid}-${short}`)
}

function folder({ env, home }: Surroundings, variable: string, otherwise: string): string {
  const value = env[variable]
  return value && isAbsolute(value) ? value : join(home, otherwise)
}
