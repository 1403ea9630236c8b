import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'
import { type Check, type Checked, failed, note, ok, runChecks } from './check.ts'
import { inotifyCheck, roomAt } from './machine.ts'

/** From `docker info --format '{{json .}}'`; the names are docker's. */
const dockerInfo = z.object({
  ServerVersion: z.string().default(''),
  MemTotal: z.number().default(0),
  DockerRootDir: z.string().default(''),
  CgroupVersion: z.string().default(''),
  OSType: z.string().default(''),
  /** The client's errors when it answers without a server behind it. */
  ServerErrors: z.array(z.string()).nullish(),
})

/** What a docker daemon reports about its machine. */
export type DockerFacts = z.output<typeof dockerInfo>

/** @throws ZodError for anything but an answer of `docker info` */
export function parseDockerInfo(text: string): DockerFacts {
  return dockerInfo.parse(JSON.parse(text))
}

/** A control plane, gateways, cache, scheduler and one small worker. */
const memoryBytes = { needed: 2.5e9, wished: 6e9 } as const
/** The nodes' image, those of servers and controllers, and a cache that begins to fill. */
const diskBytes = { needed: 4e9, wished: 15e9 } as const
/** kubelet refuses cgroup v1 from 1.35 on, unless told otherwise (KEP 4569). */
const minorWithoutCgroup1 = 35

export interface NodesWish {
  /** The user's own machine. */
  readonly platform: NodeJS.Platform
  /** Like 1.34.4; absent where only an image is known. */
  readonly kubernetes?: string
}

/** Can docker's machine carry a cluster of nodes? */
export function nodeChecks(facts: DockerFacts, wish: NodesWish): Check[] {
  return [
    memoryCheck(facts),
    // Where docker runs in its own virtual machine, its disk and its kernel's limits are not visible from here.
    ...(wish.platform === 'linux' ? [dockerDiskCheck(facts), inotifyCheck()] : []),
    ...(wish.kubernetes === undefined ? [] : [cgroupCheck(facts, wish.kubernetes)]),
  ]
}

function memoryCheck({ MemTotal }: DockerFacts): Check {
  return {
    title: 'memory for docker',
    async run() {
      const found = sizeText(MemTotal)
      if (MemTotal < memoryBytes.needed)
        return failed(found, `A cluster needs ${sizeText(memoryBytes.needed)}: give docker's machine more.`)
      if (MemTotal < memoryBytes.wished)
        return note(found, `With less than ${sizeText(memoryBytes.wished)} a compiler in a worker may be killed.`)
      return ok(found)
    },
  }
}

function dockerDiskCheck({ DockerRootDir }: DockerFacts): Check {
  return {
    title: 'disk for docker',
    async run() {
      const free = DockerRootDir === '' ? undefined : await roomAt(DockerRootDir)
      if (free === undefined) return ok('cannot be determined from here')
      const found = `${sizeText(free)} free in ${DockerRootDir}`
      const cure = '`docker system df` shows what takes room, `docker system prune` frees it.'
      if (free < diskBytes.needed) return failed(found, cure)
      return free < diskBytes.wished ? note(found, cure) : ok(found)
    },
  }
}

function cgroupCheck({ CgroupVersion }: DockerFacts, kubernetes: string): Check {
  return {
    title: 'cgroups',
    async run() {
      const minor = Number(/^v?1\.(\d+)/.exec(kubernetes)?.[1] ?? 0)
      if (CgroupVersion !== '1' || minor < minorWithoutCgroup1) return ok(`version ${CgroupVersion || 'unknown'}`)
      return failed(
        `version 1, which Kubernetes ${kubernetes} does not support`,
        'Use --kubernetes-version 1.34, or boot this machine with cgroup version 2.',
      )
    },
  }
}

/**
 * Runs checks before anything is made.
 * @returns the findings, none of them failed
 * @throws Failure 'precondition' with every check that failed, and the cure of each
 */
export async function preflight(checks: readonly Check[]): Promise<readonly Checked[]> {
  const findings = await runChecks(checks)
  const wrong = findings.filter(({ state }) => state === 'failed')
  if (wrong.length === 0) return findings
  throw new Failure('precondition', wrong.map(({ title, found }) => `${title}: ${found}`).join('; '), {
    next: wrong.flatMap(({ cure }) => (cure === undefined ? [] : [cure])),
  })
}
