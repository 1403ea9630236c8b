import { lstatSync } from 'node:fs'
import { Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import { toTimestamp } from '../wire/time.ts'

/** The node properties that this worker reads and sets. */
const knownNodeProperties = ['mtime', 'unix_mode'] as const

/**
 * @throws Failure 'invalid' when the Command wants one that we do not know (rule 40)
 */
export function checkNodeProperties(command: re.Command.$Properties): void {
  const known: readonly string[] = knownNodeProperties
  for (const name of command.outputNodeProperties ?? [])
    if (!known.includes(name))
      throw new Failure('invalid', `output_node_properties: ${JSON.stringify(name)} is not supported`, {
        next: [`Supported are ${known.join(' and ')}.`],
      })
}

/** What the Command wants to know of a file or symlink; nothing unless it asks (rule 40). */
export function nodePropertiesOf(
  path: string,
  command: re.Command.$Properties,
): { nodeProperties?: re.NodeProperties.$Properties } {
  const names = command.outputNodeProperties ?? []
  if (names.length === 0) return {}
  const stats = lstatSync(path)
  return {
    nodeProperties: {
      ...(names.includes('mtime') && { mtime: toTimestamp(stats.mtimeMs) }),
      ...(names.includes('unix_mode') && { unixMode: { value: stats.mode & 0o777 } }),
    },
  }
}
