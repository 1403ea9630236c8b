import type { Role } from '../config/servers.ts'

/** The arguments of `native serve ROLE --config FILE [--parent-fd N]`. */
interface DirectServer {
  readonly role: Role
  readonly configFile: string
  readonly parentFd: number | undefined
}

/** The arguments of `native serve supervisor --state FILE`. */
interface DirectSupervisor {
  readonly role: 'supervisor'
  readonly settingsFile: string
}

export type DirectServe = DirectServer | DirectSupervisor

const roles: readonly string[] = ['cas', 'scheduler', 'worker', 'console'] satisfies Role[]

function isRole(word: string | undefined): word is Role {
  return word !== undefined && roles.includes(word)
}

/**
 * The commands of the servers and of their supervisor in the plainest form, as the program itself starts them: they
 * need no command framework, which takes about as long to load as a server. Any other form, even an equivalent one,
 * takes the usual path, as does one to which a NATIVE_ variable may add a flag.
 */
export function directServe(argv: readonly string[], env: NodeJS.ProcessEnv): DirectServe | undefined {
  if (Object.keys(env).some((name) => name.startsWith('NATIVE_'))) return undefined
  const [topic, role, flag, file, parentFlag, parentFd] = argv
  if (topic !== 'serve' || !file || file.startsWith('-')) return undefined
  if (role === 'supervisor') return flag === '--state' && argv.length === 4 ? { role, settingsFile: file } : undefined
  if (!isRole(role) || flag !== '--config') return undefined
  if (argv.length === 4) return { role, configFile: file, parentFd: undefined }
  if (argv.length !== 6 || parentFlag !== '--parent-fd' || !/^\d{1,9}$/.test(parentFd ?? '')) return undefined
  return { role, configFile: file, parentFd: Number(parentFd) }
}
