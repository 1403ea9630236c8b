import { Failure } from '../../core/failure.ts'
import { blobsOf } from './blobs.ts'
import { type GitPlace, git, gitStream, nulParts } from './git.ts'
import { byPath, type SourceTree, type TreeFile } from './tree.ts'
import { writeFiles } from './write.ts'

/**
 * A commit's tree. Its files are read from the object store, as they were committed: attributes, filters and line
 * endings concern a particular checkout and do not count for a tag.
 * @param at a checkout or a bare repository
 * @param commit the full id of a commit, or of a tree
 */
export function commitTree(at: GitPlace, commit: string): SourceTree {
  return {
    revision: commit,
    dirty: false,
    files: (paths) => committedFiles(at, commit, paths),
    ignores: async () => false,
    async read(path) {
      const answer = await git(['cat-file', 'blob', `${commit}:${path}`], at, { expected: [128] })
      if (answer.exitCode === 0) return answer.stdout
      throw new Failure('not-found', `there is no ${path} at ${commit.slice(0, 12)}`, { where: at.cwd })
    },
    async extract(paths, folder) {
      const files = await committedFiles(at, commit, paths)
      const ids = files.map(({ id }) => `${id}\n`).join('')
      await gitStream(['cat-file', '--batch'], at, ids, (output) => writeFiles(files, folder, blobsOf(output)))
    },
  }
}

async function committedFiles(at: GitPlace, commit: string, paths: readonly string[]): Promise<readonly TreeFile[]> {
  // Without a path ls-tree would list everything.
  if (paths.length === 0) return []
  const answer = await git(['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...paths], at)
  return nulParts(answer.stdout).map(fileOf).sort(byPath)
}

function fileOf(line: string): TreeFile {
  const [, mode = '', type, id = '', path = ''] = /^(\d{6}) (\w+) ([0-9a-f]+)\t([\s\S]+)$/.exec(line) ?? []
  if (type === 'blob') return { mode, id, path }
  throw submodule(path)
}

/** An image cannot contain submodules: git only knows their commits, and their contents may not be here. */
export function submodule(path: string): Failure {
  return new Failure('invalid', 'a submodule or another repository is among the files of the image', {
    where: path,
    next: ['Leave it out of the files, or add its files to this repository.'],
  })
}
