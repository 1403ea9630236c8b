import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../host/files.ts'

const digitsShown = 12

/**
 * Identifies one state of this program: `deploy` restarts servers of any other. For a package it is the version; a
 * checkout changes without one, so its set-up leaves a hash of what was built.
 * @param root the folder of package.json
 */
export async function releaseOf(root: string, version: string): Promise<string> {
  const built = await ifThere(readFile(join(root, 'dist/.built'), 'utf8'))
  return built === undefined ? version : `${version}+${built.trim().slice(0, digitsShown)}`
}
