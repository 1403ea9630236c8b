import type { Addresses } from '../cluster/driver.ts'
import { Failure } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'

/** What a block in a bazelrc says. */
export interface BazelrcFacts {
  readonly cluster: string
  readonly addresses: Addresses
  /** Properties that every action asks for, so that a cluster with others refuses it. */
  readonly properties: readonly PlatformProperty[]
  /** Actions that Bazel keeps in flight; the workers' slots and some more, to keep them busy. */
  readonly jobs: number
}

const configName = 'lre'
/**
 * Bazel waits from 0.1 s to 5 s between tries, twice as long each time: this is half a minute, in which a scheduler is
 * replaced. Its own 5 are 3 s.
 */
const retries = 10

/**
 * A marked block that defines `--config=lre` (for a cluster of another name than the usual
 * one, `--config=lre-NAME`).
 */
export function bazelrcBlock(facts: BazelrcFacts): string {
  const config = bazelConfigOf(facts.cluster)
  const flags = [
    `--remote_cache=${facts.addresses.cache.url}`,
    `--remote_executor=${facts.addresses.scheduler.url}`,
    '--remote_instance_name=main',
    `--jobs=${facts.jobs}`,
    `--remote_retries=${retries}`,
    ...facts.properties.map((each) => `--remote_default_exec_properties=${each.name}=${each.value}`),
  ]
  return [
    opening(facts.cluster),
    ...flags.map((flag) => `build:${config} ${quoted(flag)}`),
    closing(facts.cluster),
    '',
  ].join('\n')
}

/** What to write after `--config=` for this cluster. */
export function bazelConfigOf(cluster: string): string {
  return cluster === 'native' ? configName : `${configName}-${cluster}`
}

/**
 * The file's text with the block in place of the cluster's former one, or behind everything
 * else where there was none. Doing it twice changes nothing.
 * @throws Failure 'invalid' when an opening mark has no closing one
 */
export function withBlock(text: string, cluster: string, block: string): string {
  const place = findBlock(text, cluster)
  if (place) return text.slice(0, place.start) + block + text.slice(place.end)
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return before + block
}

/** The file's text without the cluster's block; the same text where there is none. */
export function withoutBlock(text: string, cluster: string): string {
  const place = findBlock(text, cluster)
  return place ? text.slice(0, place.start) + text.slice(place.end) : text
}

function findBlock(text: string, cluster: string): { start: number; end: number } | undefined {
  const lines = text.split(/(?<=\n)/)
  const first = lines.findIndex((line) => line.trimEnd() === opening(cluster))
  if (first < 0) return undefined
  const last = lines.findIndex((line, at) => at > first && line.trimEnd() === closing(cluster))
  if (last < 0)
    throw new Failure('invalid', `the block of cluster "${cluster}" has no end`, {
      where: `line ${first + 1}`,
      next: [`Remove it by hand, or add the line "${closing(cluster)}" where it ends.`],
    })
  const lengthOf = (upTo: number) => lines.slice(0, upTo).reduce((sum, line) => sum + line.length, 0)
  return { start: lengthOf(first), end: lengthOf(last + 1) }
}

function opening(cluster: string): string {
  return `# >>> native: cluster ${cluster} (kept by "native bazelrc --write") >>>`
}

function closing(cluster: string): string {
  return `# <<< native: cluster ${cluster} <<<`
}

/** Bazel splits a line at blanks; a flag that has one is quoted. */
function quoted(flag: string): string {
  return /[\s"'\\#]/.test(flag) ? `"${flag.replace(/["\\]/g, (character) => `\\${character}`)}"` : flag
}
