import { isAbsolute, join } from 'node:path'

/** The variables that say where a user's files go, and who the user is. */
export interface UserContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly tmp: string
  readonly uid: number
}

/** Where each kind of file is by default, below the home. */
const usual = {
  XDG_STATE_HOME: '.local/state',
  XDG_DATA_HOME: '.local/share',
  XDG_CONFIG_HOME: '.config',
  XDG_CACHE_HOME: '.cache',
} as const

/**
 * A user's folder for one kind of file, after the XDG base directory specification: a variable that is unset, empty or
 * relative counts as absent.
 */
export function xdgFolder({ env, home }: Pick<UserContext, 'env' | 'home'>, variable: keyof typeof usual): string {
  return absolute(env[variable]) ?? join(home, usual[variable])
}

/** The folder for sockets of a login session; undefined where there is none. */
export function runtimeFolder({ env }: Pick<UserContext, 'env'>): string | undefined {
  return absolute(env['XDG_RUNTIME_DIR'])
}

function absolute(value: string | undefined): string | undefined {
  return value && isAbsolute(value) ? value : undefined
}

/** The folder of the states of all clusters of this user, whatever their driver; holds their locks too. */
export function stateRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_STATE_HOME'), 'native')
}

/** The folder of the data of all clusters of this user. */
export function dataRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_DATA_HOME'), 'native')
}

/** The folder of the user's settings. */
export function configRootOf(user: UserContext): string {
  return join(xdgFolder(user, 'XDG_CONFIG_HOME'), 'native')
}

/** The folder of what can be fetched or made again; oclif, which has it as `cacheDir`, knows one more on macOS. */
export function cacheRootOf(user: UserContext, platform: NodeJS.Platform = process.platform): string {
  const isGiven = absolute(user.env['XDG_CACHE_HOME']) !== undefined
  if (!isGiven && platform === 'darwin') return join(user.home, 'Library/Caches/native')
  return join(xdgFolder(user, 'XDG_CACHE_HOME'), 'native')
}
