import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from '../serve/run.ts'
import type { DirectServe } from './direct.ts'
import { show } from './show.ts'

/** How long after an error the process may take to end by itself, in milliseconds. */
const leftOpenMs = 1_000

/**
 * Runs a server until it ends, and sets the exit code. The built program bundles this with all that it loads into a few
 * files (bin/bundle-servers.js), so nothing that it throws may escape: outside, `Failure` is a different class.
 * @param root the folder of package.json
 */
export async function serveDirectly({ role, configFile, parentFd }: DirectServe, root: string): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  try {
    await serve(role, { configFile, parentFd, version })
  } catch (error) {
    process.exitCode = await show(error, [])
    // What a start that failed has opened must not keep the process, which the supervisor would take for one that starts.
    setTimeout(() => process.exit(), leftOpenMs).unref()
  }
}
