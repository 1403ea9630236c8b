import type { Role } from '../config/servers.ts'

/** What `native serve ROLE --config FILE [--parent-fd N]` asks for. */
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
 * The servers' command in its plainest form, as a supervisor starts it: it needs no framework
 * for commands, which takes about as long to load as a server. Every other form, also one that
 * means the same, goes the usual way, and so does any that a NATIVE_ variable may add a flag to.
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
