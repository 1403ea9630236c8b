import { setImmediate } from 'node:timers/promises'
import type { ActionRecord, LocalHistory } from '../core/build-history.ts'

/** The outputs of one build's actions. */
export interface Outputs {
  /** The action that makes a path, relative to the input root. */
  maker(path: string): ActionRecord | undefined
  /** Is anything made below this folder? The input root is ''. */
  hasBelow(folder: string): boolean
}

/** Actions whose outputs are fetched in one turn of the event loop. */
const turnMax = 500

/** @param actions of the same build */
export async function createOutputs(
  history: Pick<LocalHistory, 'outputs'>,
  actions: readonly ActionRecord[],
): Promise<Outputs> {
  const byRow = new Map(actions.map((action) => [action.row, action]))
  const makers = new Map<string, ActionRecord>()
  const folders = new Set<string>([''])
  for (let at = 0; at < actions.length; at += turnMax) {
    if (at > 0) await setImmediate()
    const rows = actions.slice(at, at + turnMax).map(({ row }) => row)
    for (const [row, path] of await history.outputs(rows)) {
      const action = byRow.get(row)
      if (!action) continue
      makers.set(path, action)
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
        const folder = path.slice(0, end)
        if (folders.has(folder)) break
        folders.add(folder)
      }
    }
  }
  return { maker: (path) => makers.get(path), hasBelow: (folder) => folders.has(folder) }
}
