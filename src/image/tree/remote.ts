import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { gitNetwork } from '../network/programs.ts'
import { commitTree } from './commit.ts'
import type { Environment } from './environment.ts'
import { type GitPlace, git, gitLine } from './git.ts'
import type { SourceTree } from './tree.ts'

/** A remote repository, and a ref in it. */
export interface RemoteRef {
  readonly url: string
  /** A branch, a tag or a full commit id; undefined for the default branch. */
  readonly ref: string | undefined
}

/** Commits kept per repository. */
const commitsMax = 10
const newPrefix = 'new-'
/** No fetch takes this long. */
const leftoverMs = 24 * 60 * 60_000
const refGrammar = /^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock$|[\s~^:?*[\\]))[\x21-\x7e]{1,255}$/

/**
 * Parses `github:OWNER/REPO[/REF]` and git URLs (`https://...git[#REF]`, `git@host:path[#REF]`, `ssh://`, `file://`);
 * undefined for anything else, which is a name in the checkout.
 * @throws Failure 'invalid' for a malformed github: reference
 */
export function parseRemoteRef(text: string): RemoteRef | undefined {
  if (text.startsWith('github:')) {
    const match = /^github:([A-Za-z0-9][A-Za-z0-9-]{0,38})\/([A-Za-z0-9._-]{1,100})(?:\/(.+))?$/.exec(text)
    if (!match?.[1] || !match[2] || /^\.+$/.test(match[2]))
      throw badRef(text, 'Write it like github:OWNER/REPO or github:OWNER/REPO/REF.')
    return { url: `https://github.com/${match[1]}/${match[2].replace(/\.git$/, '')}.git`, ref: checkedRef(match[3]) }
  }
  if (!/^(?:https?|ssh|git|file):\/\/|^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:/.test(text)) return undefined
  const hash = text.indexOf('#')
  return hash < 0 ? { url: text, ref: undefined } : { url: text.slice(0, hash), ref: checkedRef(text.slice(hash + 1)) }
}

/**
 * @param written as the user wrote it, for the error
 * @throws Failure 'invalid' for anything that cannot be a git name, above all an option
 */
export function checkedRef(ref: string | undefined, written = ref): string | undefined {
  if (ref === undefined || refGrammar.test(ref)) return ref
  throw badRef(written ?? ref, 'It is a commit, a branch or a tag.')
}

/**
 * Fetches one commit, without history, into a cached repository; a cached commit needs no network.
 * @param cache a persistent folder; any number of processes may use it at once
 * @throws Failure 'not-found' for an unknown repository or ref, 'program'; each with git's message
 */
export async function remoteTree(
  { url, ref = 'HEAD' }: RemoteRef,
  cache: string,
  env: Environment,
  signal: AbortSignal,
): Promise<SourceTree> {
  const folder = join(cache, 'git', createHash('sha256').update(url).digest('hex').slice(0, 32))
  const commit = (await isThere(folder, ref)) ? ref : await fetched(url, ref, folder, env, signal)
  const now = new Date()
  await utimes(repositoryOf(folder, commit), now, now)
  return commitTree(placeOf(repositoryOf(folder, commit), env), commit)
}

/** Each commit has its own repository, renamed into place when complete, since git locks a shared one. */
function repositoryOf(folder: string, commit: string): string {
  return join(folder, `${commit}.git`)
}

function placeOf(repository: string, env: Environment): GitPlace {
  return { cwd: repository, env, own: { GIT_DIR: repository } }
}

async function isThere(folder: string, ref: string): Promise<boolean> {
  if (!/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(ref)) return false
  return (await ifThere(stat(repositoryOf(folder, ref)))) !== undefined
}

async function fetched(
  url: string,
  ref: string,
  folder: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const fresh = join(folder, `${newPrefix}${randomUUID()}`)
  await mkdir(fresh, { recursive: true })
  try {
    const at = placeOf(fresh, env)
    await git(['init', '--quiet', '--bare', '--template='], at, { signal })
    const how = ['--quiet', '--depth=1', '--no-tags', '--no-write-fetch-head']
    const reaching = { ...at, own: { ...at.own, ...gitNetwork(url, env) } }
    await git(['fetch', ...how, url, `+${ref}:refs/native/fetched`], reaching, { signal }).catch((error: unknown) => {
      throw notThere(error, ref)
    })
    const commit = await gitLine(['rev-parse', '--verify', 'refs/native/fetched^{commit}'], at, { signal })
    await rename(fresh, repositoryOf(folder, commit)).catch(fineIfThere)
    await trim(folder)
    return commit
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

/** git's message for an unknown repository or ref; other failures unchanged. */
function notThere(error: unknown, ref: string): unknown {
  if (!(error instanceof Failure) || error.output === undefined) return error
  const { output } = error
  if (/couldn't find remote ref|not our ref|no such remote ref/.test(output))
    return new Failure('not-found', `the repository has no "${ref}"`, {
      where: 'REF',
      output,
      next: ['A remote only knows branches, tags and full commit ids, not abbreviated ones.'],
      cause: error,
    })
  // GitHub asks for a login where there is nothing, so as not to reveal what is private.
  if (/does not appear to be a git repository|[Rr]epository (?:'.*' )?not found|could not read Username/.test(output))
    return new Failure('not-found', 'there is no such repository, or it is not public', {
      where: 'REF',
      output,
      next: ['Check its address. For a private repository, git needs a login: see `git help credentials`.'],
      cause: error,
    })
  return error
}

/** Removes the least recently used commits, and what a killed fetch has left. */
async function trim(folder: string): Promise<void> {
  const entries: { path: string; usedMs: number }[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const facts = await ifThere(stat(path))
    if (facts) entries.push({ path, usedMs: facts.mtimeMs })
  }
  const isNew = ({ path }: { path: string }): boolean => basename(path).startsWith(newPrefix)
  const commits = entries.filter((each) => !isNew(each)).sort((a, b) => b.usedMs - a.usedMs)
  const leftovers = entries.filter((each) => isNew(each) && each.usedMs < Date.now() - leftoverMs)
  for (const { path } of leftovers) await rm(path, { recursive: true, force: true })
  for (const { path } of commits.slice(commitsMax)) {
    // A partly deleted repository must not keep its name.
    const going = join(folder, `${newPrefix}${randomUUID()}`)
    await ifThere(rename(path, going))
    await rm(going, { recursive: true, force: true })
  }
}

/** Another process was faster, with the same result. */
function fineIfThere(error: unknown): void {
  if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error
}

function badRef(text: string, next: string): Failure {
  return new Failure('invalid', `"${text.slice(0, 200)}" does not name any sources`, { where: 'REF', next: [next] })
}
