import { isAbsolute, join } from 'node:path'

/** Environment variables that locate a user's files, and the user. */
export interface UserContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly tmp: string
  readonly uid: number
}

/** The default of each kind of folder, below the home. */
const usual = {
  XDG_STATE_HOME: '.local/state',
  XDG_DATA_HOME: '.local/share',
  XDG_CONFIG_HOME: '.config',
  XDG_CACHE_HOME: '.cache',
} as const

/**
 * A user's folder for one kind of file, by the XDG base directory specification: a variable that is unset, empty or
 * relative is ignored.
 */
export function xdgFolder({ env, home }: Pick<UserContext, 'env' | 'home'>, variable: keyof typeof usual): string {
  return absolute(env[variable]) ?? join(home, usual[variable])
}

/** A login session's folder for sockets; undefined if there is none. */
export function runtimeFolder({ env }: Pick<UserContext, 'env'>): string | undefined {
  return absolute(env['XDG_RUNTIME_DIR'])
}

function absolute(value: string | undefined): string | undefined {
  return value && isAbsolute(value) ? value : undefined
}

/** The state folder of all of this user's clusters, whatever their driver; also holds their locks. */
export function stateRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_STATE_HOME'), 'native')
}

/** The data folder of all of this user's clusters. */
export function dataRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_DATA_HOME'), 'native')
}

/** The folder of the user's settings. */
export function configRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_CONFIG_HOME'), 'native')
}

/** The folder for what can be fetched or made again; oclif's `cacheDir` is different on macOS. */
export function cacheRootOf(user: UserContext, platform: NodeJS.Platform = process.platform): string {
  const isGiven = absolute(user.env['XDG_CACHE_HOME']) !== undefined
  if (!isGiven && platform === 'darwin') return join(user.home, 'Library/Caches/native')
  return join(xdgFolder(user, 'XDG_CACHE_HOME'), 'native')
}
