import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, type as system, totalmem } from 'node:os'

/** One line about the machine: figures mean nothing without it. */
export function machineText(): string {
  const [first] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return [
    `${cpus().length} x ${first?.model.trim()} (${arch()})`,
    memory,
    `${system()} ${release()}`,
    osName(),
    `Node ${process.versions.node}`,
    `load ${(loadavg()[0] ?? 0).toFixed(1)} at the start`,
  ].join(', ')
}

function osName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown system'
}
