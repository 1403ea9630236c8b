import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StepReport } from '../../../src/cluster/driver.ts'
import type { KindContext } from '../../../src/cluster/kind/context.ts'
import { type KindPaths, kindPaths } from '../../../src/cluster/kind/paths.ts'
import { kindSettings } from '../../../src/cluster/kind/settings.ts'
import { type KindMemory, writeKindMemory } from '../../../src/cluster/kind/state.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { testFolder } from '../../fixture/folder.ts'
import { root } from '../../fixture/program.ts'

type Program = 'docker' | 'kind' | 'kubectl' | 'helm'

/** How a program answers a call whose arguments begin with these words; the first that fits counts. */
export interface Answer {
  readonly call: `${Program} ${string}`
  readonly prints?: string
  readonly fails?: { readonly exitCode: number; readonly stderr: string }
  /** Lines of sh, for what a call changes; `$WORLD` is a folder of the world's own. */
  readonly does?: string
}

/** A user of kind clusters whose docker, kind, kubectl and helm are scripts that write down what they are asked. */
export interface World {
  readonly context: KindContext
  readonly report: StepReport & { readonly said: string[] }
  /** Every call so far, like `docker start 1`, in its order; what it read from its input follows behind ` < `. */
  calls(): Promise<string[]>
  /** Makes the driver remember a cluster. */
  remember(part?: Partial<KindMemory>): Promise<void>
}

/** A call that no answer fits fails: a test says all that it expects to be asked. */
export async function kindWorld(answersOf: (paths: KindPaths) => readonly Answer[]): Promise<World> {
  const folder = await testFolder()
  const log = join(folder, 'calls')
  const env = { PATH: `${folder}:${process.env['PATH']}`, WORLD: folder, XDG_STATE_HOME: join(folder, 'state') }
  const user = { env, home: folder, tmp: folder, uid: -1 }
  const paths = kindPaths('n', user)
  const answers = answersOf(paths)
  await writeFile(log, '')
  for (const program of ['docker', 'kind', 'kubectl', 'helm'] as const) {
    const file = join(folder, program)
    await writeFile(file, scriptOf(program, answers, log))
    await chmod(file, 0o755)
  }
  const context: KindContext = {
    paths,
    user,
    machine: { platform: 'linux', arch: 'x64', cpus: 2 },
    clock: systemClock,
    release: '1',
    settings: await kindSettings(join(folder, 'no-settings')),
    templates: join(root, 'templates'),
    cwd: folder,
  }
  await mkdir(paths.state, { recursive: true })
  const said: string[] = []
  return {
    context,
    report: { signal: new AbortController().signal, say: (text) => void said.push(text), said },
    calls: async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line !== ''),
    remember: (part) => writeKindMemory(paths, { ...plainMemory, ...part }),
  }
}

/** A cluster of one node that has just been made. */
const plainMemory: Omit<KindMemory, 'version' | 'name'> = {
  profile: 'envoy',
  nodes: 1,
  nodeImage: null,
  archives: [],
  mirrors: [],
  bases: {},
  publish: false,
  published: null,
  container: 'c1',
  network: 'net1',
  pool: null,
  controllers: null,
  madeKubeconfig: false,
  deployment: null,
  images: null,
}

function scriptOf(program: Program, answers: readonly Answer[], log: string): string {
  const own = answers.filter(({ call }) => call.startsWith(`${program} `))
  const cases = own.map(({ call, prints, fails, does }) => {
    const pattern = `${quoted(call.slice(program.length + 1))}*`
    const lines = [
      ...(does === undefined ? [] : [does]),
      ...(prints === undefined ? [] : [`printf '%s\\n' ${quoted(prints)}`]),
      ...(fails === undefined ? [] : [`printf '%s\\n' ${quoted(fails.stderr)} >&2; exit ${fails.exitCode}`]),
    ]
    return `${pattern}) ${lines.length > 0 ? lines.join('; ') : ':'} ;;`
  })
  return [
    '#!/bin/sh',
    'input=',
    '[ -t 0 ] || input=$(head -c 10000)',
    // In one write, since calls are made at the same time.
    `line=$(printf '%s\\n' "${program} $*\${input:+ < $input}" | tr '\\n' ' ')`,
    `printf '%s\\n' "$line" >>${log}`,
    'case "$*" in',
    ...cases,
    `*) echo "${program} $*: not expected" >&2; exit 99 ;;`,
    'esac',
    '',
  ].join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** What `docker ps --format '{{json .}}'` prints of nodes. */
export function nodesText(...nodes: readonly (readonly [id: string, name: string, state: string])[]): string {
  return nodes.map(([ID, Names, State]) => JSON.stringify({ ID, Names, State })).join('\n')
}

/** The labels of what was made in docker for this cluster. */
export function labelsOf({ name, state }: KindPaths): Readonly<Record<string, string>> {
  return { 'native.cluster': name, 'native.state': state }
}

/** What `docker network inspect` prints. */
export function networkText(paths: KindPaths, ours: boolean): string {
  return JSON.stringify([
    {
      Id: 'net1',
      Labels: ours ? labelsOf(paths) : {},
      IPAM: { Config: [{ Subnet: '172.20.0.0/16', Gateway: '172.20.0.1' }] },
      Containers: {},
    },
  ])
}
