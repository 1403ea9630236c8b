import { parentPort } from 'node:worker_threads'
import { beginRemoval } from '../store/disk/remove-tree.ts'
import type { Removed } from './remover.ts'

/** The thread that removes what actions left (remover.ts): a path comes, and what stays there goes back. */
parentPort?.on('message', (path: string) => {
  const removal = beginRemoval(path)
  removal.proceed(() => false)
  parentPort?.postMessage({ path, first: removal.first, count: removal.count } satisfies Removed)
})
