import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DirectServe } from './direct.ts'
import { show } from './show.ts'

/** How long after an error the process may take to end by itself, in milliseconds. */
const leftOpenMs = 1_000

/**
 * Runs a server or a supervisor until it ends, and sets the exit code. The built program bundles this with all that it
 * loads into a few files (bin/bundle-servers.js), so nothing that it throws may escape: outside, `Failure` is a
 * different class.
 * @param root the folder of package.json
 */
export async function serveDirectly(asked: DirectServe, root: string): Promise<void> {
  try {
    await run(asked, root)
  } catch (error) {
    process.exitCode = await show(error, [])
    // What a start that failed has opened must not keep the process, which would be taken for one that still starts.
    setTimeout(() => process.exit(), leftOpenMs).unref()
  }
}

/** Loads what only one of the two needs. */
async function run(asked: DirectServe, root: string): Promise<void> {
  if (asked.role === 'supervisor') {
    const { supervise } = await import('../serve/supervisor/supervise.ts')
    return supervise(asked.settingsFile)
  }
  const { serve } = await import('../serve/run.ts')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const { role, configFile, parentFd } = asked
  return serve(role, { configFile, parentFd, version })
}
