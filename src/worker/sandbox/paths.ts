import { existsSync, realpathSync } from 'node:fs'
import { Failure } from '../../core/failure.ts'
import { boxPath } from './view.ts'

const ownPlaces = ['/tmp', '/var/tmp', '/dev', '/proc', boxPath]

/**
 * The paths that a sandbox shows in addition to the machine's programs.
 * @param directory the worker's own folder, a real path
 * @throws Failure 'precondition' for a path that does not exist, or that would show the worker's own folder
 */
export function checkedPaths(paths: readonly string[], directory: string): readonly string[] {
  for (const path of paths) {
    if (!existsSync(path))
      throw new Failure('precondition', 'a path that the sandbox should show does not exist', {
        where: `sandbox_paths: ${path}`,
        next: ['Correct it, or leave it out.'],
      })
    const own = ownPlaces.find((place) => path === place || path.startsWith(`${place}/`))
    if (own !== undefined)
      throw new Failure('precondition', `a sandbox has its own ${own}, which shows nothing from the machine`, {
        where: `sandbox_paths: ${path}`,
        next: ['Put it elsewhere, or leave it out.'],
      })
    const real = realpathSync(path)
    if (`${directory}/`.startsWith(real === '/' ? real : `${real}/`))
      throw new Failure('precondition', "a path that the sandbox should show contains the worker's own folder", {
        where: `sandbox_paths: ${path}`,
        next: ['Name the folders in there that actions need.'],
      })
  }
  return paths
}
