import type { Role } from '../config/servers.ts'

/** The arguments of `native serve ROLE --config FILE [--parent-fd N]`. */
export interface DirectServe {
  readonly role: Role
  readonly configFile: string
  readonly parentFd: number | undefined
}

const roles: readonly string[] = ['cas', 'scheduler', 'worker', 'console'] satisfies Role[]

function isRole(word: string | undefined): word is Role {
  return word !== undefined && roles.includes(word)
}

/**
 * The servers' command in its plainest form, as a supervisor starts it: it needs no command framework, which takes
 * about as long to load as a server. Any other form, even an equivalent one, takes the usual path, as does one to which
 * a NATIVE_ variable may add a flag.
 */
export function directServe(argv: readonly string[], env: NodeJS.ProcessEnv): DirectServe | undefined {
  if (Object.keys(env).some((name) => name.startsWith('NATIVE_'))) return undefined
  const [topic, role, flag, configFile, parentFlag, parentFd] = argv
  if (topic !== 'serve' || !isRole(role)) return undefined
  if (flag !== '--config' || !configFile || configFile.startsWith('-')) return undefined
  if (argv.length === 4) return { role, configFile, parentFd: undefined }
  if (argv.length !== 6 || parentFlag !== '--parent-fd' || !/^\d{1,9}$/.test(parentFd ?? '')) return undefined
  return { role, configFile, parentFd: Number(parentFd) }
}
