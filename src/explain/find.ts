import type { BuildHistory, BuildRecord } from '../core/build-history.ts'
import { type Digest, sameDigest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Subject } from './build.ts'

/** What is to be explained. */
export interface Found {
  readonly build: BuildRecord
  readonly subject: Subject
}

/** Builds that are searched, newest first. */
const buildsMax = 50
const ambiguousShownMax = 5

/**
 * Resolves a word: nothing means the last build; otherwise an invocation (a prefix of its id), a target, the digest of
 * an action (or a prefix), or the path of an output. For a target, a digest or a path, the last build that had it
 * counts.
 * @throws Failure 'not-found', or 'invalid' if several builds match
 */
export async function findSubject(history: BuildHistory, what: string | undefined): Promise<Found> {
  if (what === undefined) return { build: await lastBuild(history), subject: {} }
  const found =
    (await byTarget(history, what)) ??
    (await byInvocation(history, what)) ??
    (await byDigest(history, what)) ??
    (await byOutput(history, what))
  if (found) return found
  throw new Failure('not-found', `nothing that was built recently is called "${what}"`, {
    next: [
      "Give the beginning of a build's id (`native builds` lists them), a target such as //app:lib, the digest of an action, or the path of an output.",
    ],
  })
}

/**
 * The one build whose id has this prefix.
 * @throws Failure 'not-found', or 'invalid' if there are several
 */
export async function findBuild(history: BuildHistory, prefix: string): Promise<BuildRecord> {
  const build = await buildOf(history, prefix)
  if (build) return build
  throw new Failure('not-found', `no build is called "${prefix}"`, { next: ['`native builds` lists them.'] })
}

/**
 * The full id of the build with this prefix, to compare a build with.
 * @throws Failure as findBuild does, or 'invalid' if it was not before that one
 */
export async function findEarlier(history: BuildHistory, prefix: string, than: BuildRecord): Promise<string> {
  const other = await findBuild(history, prefix)
  if (other.id === than.id) throw new Failure('invalid', `build ${than.id} cannot be compared with itself`)
  if (other.firstSeen <= than.lastSeen) return other.id
  throw new Failure('invalid', `build ${other.id} came after build ${than.id}`, {
    next: ['Ask the other way round: what a build missed is explained by builds before it.'],
  })
}

async function lastBuild(history: BuildHistory): Promise<BuildRecord> {
  const builds = await history.builds({ limit: buildsMax })
  const build = builds.find(({ actions }) => actions > 0)
  if (build) return build
  throw new Failure('not-found', 'no build has been seen yet', {
    next: ['Build something with this cluster, for example with the settings that `native bazelrc` prints.'],
  })
}

async function byTarget(history: BuildHistory, what: string): Promise<Found | undefined> {
  if (!/^@{0,2}[\w.+~-]*\/\//.test(what)) return undefined
  for (const target of labelsOf(what)) {
    const build = await lastWith(history, { target })
    if (build) return { build, subject: { target } }
  }
  return undefined
}

/** `//app` is short for `//app:app`; in the main repository, `@//app:lib` and `@@//app:lib` are `//app:lib`. */
function labelsOf(what: string): string[] {
  const full = what.includes(':') ? what : `${what}:${what.split('/').at(-1) ?? ''}`
  const bare = full.replace(/^@{1,2}\/\//, '//')
  return [...new Set([what, full, bare, bare.startsWith('//') ? `@@${bare}` : bare])]
}

async function byInvocation(history: BuildHistory, what: string): Promise<Found | undefined> {
  const build = await buildOf(history, what)
  return build && { build, subject: {} }
}

async function buildOf(history: BuildHistory, prefix: string): Promise<BuildRecord | undefined> {
  if (prefix === '') return undefined
  const builds = await history.builds({ idPrefix: prefix, limit: ambiguousShownMax + 1 })
  const [first, second] = builds
  const exact = builds.find(({ id }) => id === prefix)
  if (exact || !second) return exact ?? first
  const shown = builds.slice(0, ambiguousShownMax).map(({ id }) => id)
  throw new Failure('invalid', `several builds begin with "${prefix}": ${shown.join(', ')}`, {
    next: ['Give more of the ID.'],
  })
}

async function byDigest(history: BuildHistory, what: string): Promise<Found | undefined> {
  const hashPrefix = /^([0-9a-f]{4,128})(?:[/:]\d+)?$/.exec(what)?.[1]
  if (hashPrefix === undefined) return undefined
  const build = await lastWith(history, { hashPrefix })
  return build && { build, subject: { hashPrefix } }
}

/**
 * The digest of the action that begins so, in the last build that had one.
 * @throws Failure 'not-found', or 'invalid' if there are several in that build
 */
export async function findAction(history: BuildHistory, hashPrefix: string): Promise<Digest> {
  const build = await lastWith(history, { hashPrefix })
  const [first, ...others] = build ? await history.actions({ build: build.id, hashPrefix, limit: buildsMax }) : []
  if (!first)
    throw new Failure('not-found', `no action that was built recently begins with "${hashPrefix}"`, {
      next: ['`native explain --json` has the digests of actions, whole.'],
    })
  if (others.some(({ digest }) => !sameDigest(digest, first.digest)))
    throw new Failure('invalid', `several actions begin with "${hashPrefix}"`, { next: ['Give more of the digest.'] })
  return first.digest
}

async function byOutput(history: BuildHistory, what: string): Promise<Found | undefined> {
  const [maker] = await history.producers({ path: what.replace(/^\.\//, ''), limit: 1 })
  const build = maker && (await buildOf(history, maker.build))
  return build && { build, subject: { hashPrefix: maker.digest.hash } }
}

async function lastWith(history: BuildHistory, subject: Subject): Promise<BuildRecord | undefined> {
  for (const build of await history.builds({ limit: buildsMax }))
    if ((await history.actions({ build: build.id, ...subject, limit: 1 })).length > 0) return build
  return undefined
}
