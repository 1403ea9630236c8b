import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { dataRootOf, runtimeFolder, stateRootOf, type UserContext } from '../../host/user-folders.ts'

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
  /** The secret that only the servers share (0600). */
  readonly secret: string
  /** Hashes of the tokens that clients need, where they need any (0600). */
  readonly tokens: string
  readonly supervisorSettings: string
  readonly supervisorRecord: string
  readonly supervisorLog: string
  readonly socket: string
  /** The folder around the socket. */
  readonly socketFolder: string
  /** Beside the state folder, so that removing that does not release the lock. */
  readonly lock: string
  /**
   * The token that an invitation is being exchanged for (0600); beside the state folder, which a failing `join`
   * removes.
   */
  readonly exchange: string
  /** Held while ports are chosen, so that concurrent clusters do not choose the same. */
  readonly portsLock: string
}

/** sun_path has 104 bytes on macOS, 108 on Linux, including the closing NUL. */
const socketPathBytesMax = 103

/**
 * Where the cluster of this name lives.
 * @param name checked before (cli/base.ts): lower-case letters, digits and dashes
 */
export function clusterPaths(name: string, user: UserContext): ClusterPaths {
  const stateRoot = stateRootOf(user)
  const dataRoot = dataRootOf(user)
  const state = join(stateRoot, name)
  const socketFolder = socketFolderOf(state, user)
  return {
    name,
    stateRoot,
    dataRoot,
    state,
    data: join(dataRoot, name),
    logs: join(state, 'logs'),
    configs: join(state, 'config'),
    cluster: join(state, 'cluster.json'),
    secret: join(state, 'secret'),
    tokens: join(state, 'tokens.json'),
    supervisorSettings: join(state, 'supervisor.json'),
    supervisorRecord: join(state, 'servers.json'),
    supervisorLog: join(state, 'logs', 'supervisor.log'),
    socket: join(socketFolder, socketName),
    socketFolder,
    lock: join(stateRoot, `.${name}.lock`),
    exchange: join(stateRoot, `.${name}.exchange`),
    portsLock: join(stateRoot, '.ports.lock'),
  }
}

const socketName = 's.sock'

/**
 * The state folder, which outlives a login session as the supervisor does. Where that path
 * is too long for a socket: the runtime folder, then the temporary one, under a short name.
 */
function socketFolderOf(state: string, user: UserContext): string {
  const short = createHash('sha256').update(state).digest('hex').slice(0, 16)
  const runtime = runtimeFolder(user)
  const candidates = [state, ...(runtime ? [join(runtime, `native-${short}`)] : [])]
  const fits = candidates.find((each) => Buffer.byteLength(join(each, socketName)) <= socketPathBytesMax)
  return fits ?? join(user.tmp, `native-${user.uid}-${short}`)
}
