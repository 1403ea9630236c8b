import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { commitTree } from './commit.ts'
import { git, gitLine } from './git.ts'
import type { SourceTree } from './tree.ts'

/** A repository somewhere else, and what of it. */
export interface RemoteRef {
  readonly url: string
  /** A branch, a tag or a full commit id; undefined is the default branch. */
  readonly ref: string | undefined
}

const refGrammar = /^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock$|[\s~^:?*[\\]))[\x21-\x7e]{1,255}$/

/**
 * Reads `github:OWNER/REPO[/REF]` and git URLs (`https://...git[#REF]`, `git@host:path[#REF]`,
 * `ssh://`, `file://`); undefined for anything else: that is a name in the checkout.
 * @throws Failure 'invalid' for a github: that is none
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

/** @throws Failure 'invalid' for what cannot be a name of git's, an option above all */
export function checkedRef(ref: string | undefined): string | undefined {
  if (ref === undefined || refGrammar.test(ref)) return ref
  throw badRef(ref, 'It is a commit, a branch or a tag.')
}

/**
 * Fetches one commit, without history, into a repository of the cache.
 * @param cache a folder that is kept
 * @throws Failure 'program' with what git said, 'not-found' for a ref that is not there
 */
export async function remoteTree(remote: RemoteRef, cache: string, signal: AbortSignal): Promise<SourceTree> {
  const key = createHash('sha256').update(remote.url).digest('hex').slice(0, 32)
  const repository = join(cache, 'git', `${key}.git`)
  await mkdir(repository, { recursive: true })
  await git(['init', '--quiet', '--bare'], { cwd: repository, signal })
  const wanted = remote.ref ?? 'HEAD'
  const known = await knownCommit(repository, wanted)
  if (known) return commitTree(repository, known)
  await git(
    [
      'fetch',
      '--quiet',
      '--depth=1',
      '--no-tags',
      '--no-write-fetch-head',
      remote.url,
      `+${wanted}:refs/native/${process.pid}`,
    ],
    {
      cwd: repository,
      signal,
    },
  )
  const commit = await gitLine(['rev-parse', '--verify', `refs/native/${process.pid}^{commit}`], {
    cwd: repository,
    signal,
  })
  return commitTree(repository, commit)
}

/** A commit that was fetched before does not change: no network is needed. */
async function knownCommit(repository: string, ref: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(ref)) return undefined
  const answer = await git(['cat-file', '-e', `${ref}^{commit}`], { cwd: repository, expected: [1, 128] })
  return answer.exitCode === 0 ? ref : undefined
}

function badRef(text: string, next: string): Failure {
  return new Failure('invalid', `"${text.slice(0, 200)}" names no sources`, { where: 'REF', next: [next] })
}
