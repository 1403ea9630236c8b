import type { DeployOptions, ObjectDiff } from '../cluster/driver.ts'
import { parseProperty, parseSizeFlag } from './values.ts'

/** What the flags of `deploy` give. */
export interface DeployFlags {
  readonly workers?: number | undefined
  readonly slots?: number | undefined
  readonly 'cache-size'?: string | undefined
  readonly property?: readonly string[] | undefined
  readonly config?: string | undefined
  readonly image?: string | undefined
  readonly 'worker-image'?: string | undefined
  readonly base?: string | undefined
  readonly 'worker-base'?: string | undefined
  readonly 'insecure-ignore-signature'?: boolean | undefined
  readonly only?: 'operations' | 'application' | undefined
}

/**
 * The options that the flags make; a flag that was not given is not there.
 * @throws Failure 'invalid' for a size or a property that is none
 */
export function deployOptionsOf(flags: DeployFlags): DeployOptions {
  const { workers, slots, config, image, base, only } = flags
  const cacheSize = flags['cache-size']
  const workerImage = flags['worker-image']
  const workerBase = flags['worker-base']
  return {
    ...(workers !== undefined && { workers }),
    ...(slots !== undefined && { slots }),
    ...(cacheSize !== undefined && { cacheSizeBytes: parseSizeFlag(cacheSize, '--cache-size') }),
    ...(config !== undefined && { configFile: config }),
    ...(image !== undefined && { image }),
    ...(workerImage !== undefined && { workerImage }),
    ...(base !== undefined && { base }),
    ...(workerBase !== undefined && { workerBase }),
    ...(flags['insecure-ignore-signature'] && { insecureIgnoreSignature: true }),
    ...(only !== undefined && { only }),
    properties: (flags.property ?? []).map(parseProperty),
  }
}

/** Diffs as one text; a line where there are none. */
export function diffText(diffs: readonly ObjectDiff[]): string {
  if (diffs.length === 0) return 'Nothing would change.'
  return diffs.map(({ object, change, text }) => `# ${object} would be ${change}\n${text.trimEnd()}`).join('\n')
}
