import { existsSync, realpathSync } from 'node:fs'

/** Where `xcode-select` keeps its choice. */
const choice = '/var/db/xcode_select_link'

/**
 * The Xcode that /usr/bin/cc and the like start, unless the command line tools in /Library/Developer do: the whole
 * application, as its tools use each other's libraries.
 * @param link as `xcode-select --switch` makes it
 */
export function xcodeFolders(link = choice): string[] {
  if (!existsSync(link)) return []
  const folder = realpathSync(link)
  return [/^.*?\.app(?=\/)/.exec(folder)?.[0] ?? folder]
}
