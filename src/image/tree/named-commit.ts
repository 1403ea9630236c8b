import { Failure } from '../../core/failure.ts'
import { type GitPlace, git, gitLine } from './git.ts'
import { checkedRef } from './remote.ts'

/**
 * The full id of a commit by its name in a checkout.
 * @param ref a commit, branch or tag, possibly with a suffix like `~2` or `^`
 * @throws Failure 'invalid' for an impossible name, 'not-found'
 */
export async function commitOf(at: GitPlace, ref: string): Promise<string> {
  checkedRef(ref.replace(/[~^]\d*/g, ''), ref)
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]
  const answer = await git(args, at, { expected: [1, 128] })
  const commit = new TextDecoder().decode(answer.stdout).trim()
  if (answer.exitCode === 0 && commit !== '') return commit
  throw new Failure('not-found', `the checkout has no commit, branch or tag "${ref.slice(0, 100)}"`, {
    where: at.cwd,
    next: await whereCommitsAre(at),
  })
}

async function whereCommitsAre(at: GitPlace): Promise<string[]> {
  if ((await headOf(at)) === null) return ['It has no commits yet: make one first.']
  const args = ['for-each-ref', '--format=%(refname:short)', '--sort=-committerdate', '--count=5', 'refs/heads']
  const branches = await gitLine(args, at)
  const isShallow = (await gitLine(['rev-parse', '--is-shallow-repository'], at)) === 'true'
  return [
    ...(branches === '' ? [] : [`Its branches are ${branches.split('\n').join(', ')}.`]),
    ...(isShallow ? ['A shallow clone does not have old commits: git fetch --unshallow.'] : []),
  ]
}

/** The commit that is checked out; null in a repository without commits. */
export async function headOf(at: GitPlace): Promise<string | null> {
  const revision = await gitLine(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], at, { expected: [1] })
  return revision === '' ? null : revision
}
