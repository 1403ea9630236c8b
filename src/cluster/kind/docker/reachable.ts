/** What indicates where docker's containers are. */
export interface DockerPlace {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of /proc/version; empty where there is none. */
  readonly kernel: string
}

/** Sockets of daemons that run in a machine or a network namespace of their own. */
const apart = [
  // Docker Desktop, colima, Rancher Desktop, Lima, OrbStack: a virtual machine.
  /\/\.docker\/(desktop|run)\//,
  /\/\.(colima|rd|lima|orbstack)\//,
  // Rootless docker and podman.
  /^unix:\/\/\/run\/user\//,
]

/**
 * Can a program on this machine connect to a container's own address? If not, as on macOS and Windows, in WSL (whose
 * browser and IDE are on Windows) and with a daemon that is somewhere else, only published ports can be reached.
 */
export function containersReachable({ platform, env, kernel }: DockerPlace): boolean {
  if (platform !== 'linux') return false
  if (env['WSL_DISTRO_NAME'] !== undefined || /microsoft/i.test(kernel)) return false
  const host = env['DOCKER_HOST'] ?? ''
  if (/^(tcp|ssh|https?):\/\//.test(host)) return false
  return !apart.some((each) => each.test(host))
}
