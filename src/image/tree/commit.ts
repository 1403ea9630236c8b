import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Failure } from '../../core/failure.ts'
import { extractTar } from '../tar/extract.ts'
import { git, nulParts } from './git.ts'
import { byPath, type SourceTree, type TreeFile } from './tree.ts'

/**
 * A commit's tree, read from a repository without touching any working tree.
 * @param repository a checkout or a bare repository
 * @param commit a full id
 */
export function commitTree(repository: string, commit: string): SourceTree {
  return {
    revision: commit,
    dirty: false,
    files: (paths) => committedFiles(repository, commit, paths),
    async read(path) {
      const answer = await git(['cat-file', 'blob', `${commit}:${path}`], { cwd: repository, expected: [128] })
      if (answer.exitCode === 0) return answer.stdout
      throw new Failure('not-found', `there is no ${path} at ${commit.slice(0, 12)}`, { where: repository })
    },
    async extract(paths, folder) {
      const files = await committedFiles(repository, commit, paths)
      if (files.length === 0) return
      const present = paths.filter((path) =>
        files.some((each) => each.path === path || each.path.startsWith(`${path}/`)),
      )
      // The user's line ends are his own affair: every checkout has to give the same files.
      const args = [
        '-c',
        'core.autocrlf=false',
        '-c',
        'core.eol=lf',
        'archive',
        '--format=tar',
        commit,
        '--',
        ...present,
      ]
      const child = spawn('git', args, { cwd: repository, stdio: ['ignore', 'pipe', 'ignore'] })
      const ended = once(child, 'close')
      await extractTar(child.stdout, folder)
      const [code] = await ended
      if (code !== 0) throw new Failure('program', `git archive ended with exit code ${code}`, { where: repository })
    },
  }
}

/** Files under paths at a commit. */
export async function committedFiles(
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<readonly TreeFile[]> {
  const answer = await git(['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...paths], { cwd: repository })
  const files = nulParts(answer.stdout).flatMap((line) => {
    const match = /^(\d{6}) blob ([0-9a-f]+)\t([\s\S]+)$/.exec(line)
    return match?.[1] && match[2] && match[3] ? [{ mode: match[1], id: match[2], path: match[3] }] : []
  })
  return files.sort(byPath)
}
