import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { errnoOf } from '../core/failure.ts'
import { beginRemoval, type Removal } from '../store/disk/remove-tree.ts'
import type { Removed, RemoverFolders } from './remover.ts'

/**
 * The thread that removes what actions left (remover.ts): it receives paths, and answers with what could not be
 * removed.
 */

/** Large folders and small ones take turns of this length. */
const turnMs = 10
const { work, outgoing } = workerData as RemoverFolders
const removals: { readonly path: string; readonly removal: Removal }[] = []
let moved = 0

parentPort?.on('message', (paths: readonly string[]) => {
  if (removals.length === 0) setImmediate(takeTurns)
  for (const path of paths)
    removals.push({ path, removal: beginRemoval(dirname(path) === work ? movedOut(path) : path) })
})

/**
 * Removing an entry locks its parent folder, for milliseconds on some file systems. Creating an action's folder must
 * not wait for that, so folders to be removed are moved elsewhere first.
 */
function movedOut(path: string): string {
  moved += 1
  const to = join(outgoing, String(moved))
  try {
    if (moved === 1) mkdirSync(outgoing)
    renameSync(path, to)
    return to
  } catch (error) {
    // It is gone already, or cannot be moved: a mount point, for instance.
    if (errnoOf(error) === undefined) throw error
    return path
  }
}

function takeTurns(): void {
  const done: Removed[] = []
  for (const { path, removal } of removals.splice(0)) {
    const until = performance.now() + turnMs
    if (!removal.proceed(() => performance.now() > until)) removals.push({ path, removal })
    else done.push({ path, first: removal.first, count: removal.count })
  }
  if (done.length > 0) parentPort?.postMessage(done)
  if (removals.length > 0) setImmediate(takeTurns)
}
