import type { re } from '../wire/proto.ts'

/**
 * The paths of the outputs in which two results of one action differ: files by digest and mode, directories by their
 * trees, symlinks by target. stdout and stderr do not count.
 */
export function differingOutputs(one: re.ActionResult.$Properties, other: re.ActionResult.$Properties): string[] {
  const [before, after] = [outputsOf(one), outputsOf(other)]
  const paths = new Set([...before.keys(), ...after.keys()])
  return [...paths].filter((path) => before.get(path) !== after.get(path)).sort()
}

function outputsOf(result: re.ActionResult.$Properties): ReadonlyMap<string, string> {
  const symlinks = [
    ...(result.outputSymlinks ?? []),
    ...(result.outputFileSymlinks ?? []),
    ...(result.outputDirectorySymlinks ?? []),
  ]
  return new Map([
    ...(result.outputFiles ?? []).map(
      ({ path, digest, isExecutable }) => [path ?? '', `file ${digest?.hash} ${isExecutable ?? false}`] as const,
    ),
    ...(result.outputDirectories ?? []).map(
      ({ path, treeDigest, rootDirectoryDigest }) =>
        [path ?? '', `directory ${treeDigest?.hash ?? rootDirectoryDigest?.hash}`] as const,
    ),
    ...symlinks.map(({ path, target }) => [path ?? '', `symlink ${target}`] as const),
  ])
}
