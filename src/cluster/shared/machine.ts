/** A machine's properties, named as in the platforms of Bazel and other clients. */
export interface Machine {
  readonly platform: string
  readonly arch: string
  readonly cpus: number
}

/** Each worker offers its name under this property, so that an action can be sent to one of them. */
export const workerProperty = 'native:worker'

/** The properties that a worker on such a machine offers. A client that asks for nothing matches every worker. */
export function defaultProperties({ platform, arch, cpus }: Machine): Record<string, string> {
  const systems: Readonly<Record<string, string>> = { darwin: 'macos' }
  const isas: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'aarch64' }
  return { OSFamily: systems[platform] ?? platform, ISA: isas[arch] ?? arch, cpu_count: String(cpus) }
}
