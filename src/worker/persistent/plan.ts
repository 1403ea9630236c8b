import { createHash } from 'node:crypto'
import { type Digest, digestText } from '../../core/digest.ts'
import { type PlatformProperty, persistentProperties } from '../../core/platform.ts'
import type { re } from '../../wire/proto.ts'
import type { Limits } from '../limits/limits.ts'
import { partArguments } from './arguments.ts'
import type { ProtocolName } from './protocol.ts'
import { isEmptyTree, namesEntry, type PartedInputs, partInputs, type Tree } from './tools.ts'

/** How a persistent tool runs an action. */
export interface Plan {
  /** The same for actions that one process can run. */
  readonly key: string
  readonly protocol: ProtocolName
  /** Can requests to the tool be cancelled? */
  readonly cancellation: boolean
  /** Does it serve several requests at once, each in a folder of its own? */
  readonly multiplex: boolean
  readonly startup: readonly string[]
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly working: readonly string[]
  readonly network: boolean
  readonly limits: Limits
  readonly inputs: PartedInputs
  readonly all: Tree
}

export interface Planned {
  readonly properties: readonly PlatformProperty[]
  readonly command: re.Command.$Properties
  readonly env: Readonly<Record<string, string>>
  readonly working: readonly string[]
  readonly network: boolean
  readonly limits: Limits
  readonly inputRoot: Digest
  readonly directories: Tree['directories']
}

/**
 * How an action that names a key can be run by a persistent tool; undefined for one that has to run by itself, which
 * the command always can: one without a key, without a flag file to make a request of, or without inputs that the
 * client has marked as the tool's; or one where the program, an argument or a variable of the process names an unmarked
 * input, which differs with each action. A multiplex tool cannot run it either if its disk is limited: how much each
 * action has written cannot be told apart.
 */
export function planOf(planned: Planned): Plan | undefined {
  const { properties, command, env, working, network, limits } = planned
  const valueIn = (name: string) => properties.find((each) => each.name === name)?.value
  const named = valueIn(persistentProperties.key)
  const args = named ? partArguments(command.arguments ?? []) : undefined
  if (!args) return undefined
  const all = { root: planned.inputRoot, directories: planned.directories }
  const inputs = partInputs(all)
  const [program = ''] = args.startup
  const isRelative = program.includes('/') && !program.startsWith('/')
  if (isEmptyTree(inputs.tools) || (isRelative && !namesEntry(program, inputs.tools, working))) return undefined
  if ([...args.startup, ...Object.values(env)].some((text) => namesEntry(text, inputs.others, working)))
    return undefined
  const protocol = valueIn(persistentProperties.protocol) ?? valueIn(persistentProperties.requiredProtocol)
  const isSet = (name: string) => ['1', 'true', ''].includes(valueIn(name) ?? 'absent')
  const multiplex = isSet(persistentProperties.multiplex) && isSet(persistentProperties.multiplexSandboxing)
  if (multiplex && limits.diskBytes !== undefined) return undefined
  const plan = {
    protocol: protocol === 'json' ? ('json' as const) : ('proto' as const),
    cancellation: isSet(persistentProperties.cancellation),
    multiplex,
    startup: args.startup,
    env,
    working,
    network,
    limits,
  }
  // The key is only the client's claim: what the process is started with is compared as well.
  const facts = JSON.stringify([named, plan, digestText(inputs.tools.root), Object.entries(env).sort()])
  const key = createHash('sha256').update(facts).digest('hex')
  return { ...plan, key, flags: args.flags, inputs, all }
}
