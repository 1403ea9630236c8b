import { statfsSync } from 'node:fs'
import type { Content } from './content.ts'
import { hasFineTimes } from './fine-times.ts'
import { createLinks, type Links } from './links.ts'
import type { Spawner } from './spawner.ts'

/** Where inputs come from. */
export interface InputSource {
  readonly content: Content
  /** Set for a worker whose actions share inputs; otherwise each has its own copies. */
  readonly links: Links | undefined
  /** Are copies that an action leaves untouched kept for others? Only where no process of it can live on. */
  readonly reuse: () => Promise<boolean>
  /** Removes an action's folder, at once or later. */
  readonly remove: (path: string) => void
}

export interface InputSourceOptions {
  /** The worker's setting. */
  readonly way: 'auto' | 'copy' | 'links'
  readonly content: Content
  readonly spawner: Spawner
  /** Where inputs are made. */
  readonly directory: string
  readonly remove: InputSource['remove']
}

/** How actions get their inputs, by the worker's setting and what the machine permits. */
export function inputSource({ way, content, spawner, directory, remove }: InputSourceOptions): InputSource {
  return {
    content,
    remove,
    links: way === 'links' ? createLinks(content) : undefined,
    async reuse() {
      if (way !== 'auto' || !showsEveryWrite(directory)) return false
      try {
        // A process that clears its mark or leaves its group can live on and write to its inputs.
        const { kind } = await spawner.way
        return kind === 'namespace' || kind === 'sandbox'
      } catch {
        // Starting the action will report that no process can be started here.
        return false
      }
    },
  }
}

/**
 * Linux file systems that set a file's change time at every write, including those through a mapping (they have
 * `page_mkwrite`): ext2 to ext4, XFS, btrfs, F2FS, by their statfs(2) magic numbers. In-memory file systems do not.
 */
const watchfulFileSystems = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010])

/** Does a file's change time reveal every write to it, in this folder on this machine? */
function showsEveryWrite(folder: string): boolean {
  return hasFineTimes() && watchfulFileSystems.has(statfsSync(folder).type)
}
