import type { Digest, DigestFunction } from '../core/digest.ts'
import { compareNames } from '../core/directory.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { re } from '../wire/proto.ts'
import { wireDigest } from './context.ts'
import type { MerkleTree } from './merkle.ts'
import type { BlobSource } from './source.ts'

/** The API has no standard input: it becomes a file of this name among the inputs. */
const stdinName = '.native-stdin'

/** The command, run by a shell that opens that file as standard input; each word stays one word. */
export function readingStdin(argv: readonly string[]): string[] {
  return ['/bin/sh', '-c', 'exec "$@" < "$0"', stdinName, ...argv]
}

/**
 * An input root that includes standard input.
 * @param tree the other inputs, if any; its own root is no longer needed
 * @throws Failure 'exists' when they contain a file of that name
 */
export function rootWithStdin(
  tree: MerkleTree | undefined,
  stdin: BlobSource,
  fn: DigestFunction,
): { root: Digest; sources: BlobSource[] } {
  const message = tree?.root.message ?? {}
  const files = message.files ?? []
  const others = [...files, ...(message.directories ?? []), ...(message.symlinks ?? [])]
  if (others.some(({ name }) => name === stdinName))
    throw new Failure('exists', `the input folder has a "${stdinName}", where standard input would go`, {
      where: '--input',
      next: [`Rename it, or leave out --stdin.`],
    })
  const withIt = [...files, { name: stdinName, digest: wireDigest(stdin.digest) }]
  const content = re.Directory.encode({
    ...message,
    files: withIt.sort((a, b) => compareNames(a.name ?? '', b.name ?? '')),
  }).finish()
  const root = digestOf(fn, content)
  return { root, sources: [{ digest: root, content }, stdin] }
}
