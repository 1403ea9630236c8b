import { execa } from 'execa'
import { type Check, type Finding, failed, note, ok } from './check.ts'

const answerMsMax = 10_000

/** A program that some use needs, and how to get its version. */
export interface ProgramFacts {
  readonly title: string
  /** Tried in order: the first that exists counts. */
  readonly commands: readonly (readonly [string, ...string[]])[]
  /** Who needs it, as the end of a sentence: "only the kind driver". */
  readonly neededBy: string
  readonly cure: string
}

/** Other programs that users of `native` have or may want. */
export const programs: readonly ProgramFacts[] = [
  {
    title: 'bazel',
    commands: [
      ['bazel', '--version'],
      ['bazelisk', '--version'],
    ],
    neededBy: 'Bazel users',
    cure: 'Install Bazel or Bazelisk if you build with Bazel; other clients need nothing.',
  },
  {
    title: 'C compiler',
    commands: [
      ['cc', '--version'],
      ['gcc', '--version'],
      ['clang', '--version'],
    ],
    neededBy: 'C and C++ actions, which run with the compiler of the machine that the worker runs on',
    cure: 'Install gcc or clang if you build C or C++ (Debian: apt install g++; macOS: xcode-select --install).',
  },
  {
    title: 'docker',
    commands: [['docker', 'version', '--format', '{{.Server.Version}}']],
    neededBy: 'the kind driver and docker-daemon: images',
    cure: 'Install docker and start its daemon if you want a Kubernetes cluster (--driver kind).',
  },
  {
    title: 'kind',
    commands: [['kind', 'version', '-q']],
    neededBy: 'the kind driver',
    cure: 'Install kind if you want a Kubernetes cluster (--driver kind).',
  },
  {
    title: 'kubectl',
    commands: [['kubectl', 'version', '--client', '--output=yaml']],
    neededBy: 'the kind driver',
    cure: 'Install kubectl if you want a Kubernetes cluster (--driver kind).',
  },
  {
    title: 'helm',
    commands: [['helm', 'version', '--short']],
    neededBy: 'the kind driver with --gateway cilium, its default',
    cure: 'Install helm, or bring the cluster up with --gateway envoy.',
  },
]

/**
 * Does the program exist, and does it answer? Without it the finding is a note, since not everybody needs it.
 * @param env provides PATH
 */
export function programCheck(facts: ProgramFacts, env: NodeJS.ProcessEnv, cwd: string): Check {
  return {
    title: facts.title,
    async run() {
      for (const command of facts.commands) {
        const finding = await ask(facts, command, env, cwd)
        if (finding) return finding
      }
      return note(`not found; needed by ${facts.neededBy}`, facts.cure)
    },
  }
}

/** Undefined when there is no such program. */
async function ask(
  facts: ProgramFacts,
  [file, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<Finding | undefined> {
  const result = await execa(file, args, {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    timeout: answerMsMax,
    stdin: 'ignore',
  })
  if (result.code === 'ENOENT') return undefined
  if (!result.failed) return ok(versionIn(result.stdout) ?? unversioned(result.stdout))
  if (result.timedOut) return failed(`"${file}" did not answer in ${answerMsMax / 1000} s`, facts.cure)
  return note(firstLine(result.stderr) || `"${file}" ended with exit code ${result.exitCode}`, facts.cure)
}

function versionIn(output: string): string | undefined {
  return /\d+\.\d+[\w.+-]*/.exec(output)?.[0]
}

/** Builds from source often have no version: Debian's Bazel says "bazel no_version". */
function unversioned(output: string): string {
  const said = firstLine(output)
  return said === '' ? 'found; its version is not known' : `found; its version is not known (it says "${said}")`
}

function firstLine(output: string): string {
  return output.trim().split('\n', 1)[0]?.slice(0, 200) ?? ''
}
