import { Failure } from '../../core/failure.ts'
import { shellWord } from '../../core/shell-word.ts'
import type { Marks } from './block.ts'
import { assertSpeaks, type ClientFacts, type ClientTool, isSecure, type Setting, type Variable } from './tool.ts'

/** What is printed for a tool, and the part that a program can use without parsing text. */
export interface ClientText {
  /** The marked block, ending with a line break. */
  readonly block: string
  /** Empty for a tool that reads a file. */
  readonly environment: readonly { readonly name: string; readonly value: string }[]
}

/** The two lines around a tool's block for one cluster. */
export function marksOf(tool: ClientTool, cluster: string): Marks {
  const sign = signOf(tool)
  // Bazel's block has always had these marks, so existing files keep working.
  const [name, command] =
    tool.name === 'bazel'
      ? [`cluster ${cluster}`, 'native bazelrc']
      : [`cluster ${cluster}, ${tool.name}`, `native client ${tool.name}`]
  return {
    opening: `${sign} >>> native: ${name} (kept by "${command} --write") >>>`,
    closing: `${sign} <<< native: ${name} <<<`,
    of: `cluster "${cluster}"`,
  }
}

/**
 * Looks up what the settings need, and writes them.
 * @throws Failure 'unimplemented' if the servers want a token that the tool's settings cannot carry, and for a tool
 *   that cannot connect to such a cluster
 */
export async function clientText(tool: ClientTool, facts: ClientFacts): Promise<ClientText> {
  if (facts.credentials) assertSendsToken(tool, isSecure(facts.addresses))
  assertSpeaks(tool, facts.addresses)
  if (tool.format === 'file')
    return { block: blockOf(tool, facts.cluster, await tool.settings(facts)), environment: [] }
  const variables = await tool.variables(facts)
  return {
    block: blockOf(tool, facts.cluster, variables.map(exported)),
    environment: variables.map(({ name, value }) => ({ name, value })),
  }
}

function assertSendsToken({ name, sendsToken = false }: ClientTool, secure: boolean): void {
  if (sendsToken === true || (sendsToken && secure)) return
  if (sendsToken)
    throw new Failure('unimplemented', `the cluster requires a token, and ${name} sends one only over TLS`, {
      next: ['Deploy with --tls auto, or with --access none.'],
    })
  throw new Failure('unimplemented', `the cluster requires a token, but the settings for ${name} cannot contain one`, {
    next: [`Configure ${name} itself to send "authorization: Bearer TOKEN", or deploy with --access none.`],
  })
}

/** A marked block of settings, each with its purpose, and how to undo them all. */
export function blockOf(tool: ClientTool, cluster: string, settings: readonly Setting[]): string {
  const sign = signOf(tool)
  const { opening, closing } = marksOf(tool, cluster)
  return [
    opening,
    ...[undoing(tool, cluster, settings), ...(tool.notes ?? [])].map((line) => `${sign} ${line}`),
    ...settings.flatMap(({ why, lines }) => [`${sign} ${why}`, ...lines]),
    closing,
    '',
  ].join('\n')
}

function undoing(tool: ClientTool, cluster: string, settings: readonly Setting[]): string {
  const flag = cluster === 'native' ? '' : ` --name ${cluster}`
  const removal = `\`native client ${tool.name}${flag} --remove FILE\` takes this out of a file again`
  if (tool.format === 'file') return `Undo: ${removal}.`
  const names = settings.flatMap(({ lines }) => lines).map((line) => /^export (\w+)=/.exec(line)?.[1] ?? '')
  return `Undo: unset ${names.join(' ')}; ${removal}.`
}

function signOf(tool: ClientTool): '#' | '//' {
  return tool.format === 'file' ? tool.comment : '#'
}

function exported({ why, name, value }: Variable): Setting {
  return { why, lines: [`export ${name}=${shellWord(value)}`] }
}
