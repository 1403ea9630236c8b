import { readSurface } from '../surface.ts'
import { bashScript } from './bash.ts'
import { type Completions, completionsOf, type Shell } from './completions.ts'
import { fishScript } from './fish.ts'
import { zshScript } from './zsh.ts'

const scripts: Readonly<Record<Shell, (completions: Completions) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

/** The text that a shell sources. @param root the folder of package.json */
export function completionScript(shell: Shell, root: string): string {
  return scripts[shell](completionsOf(readSurface(root)))
}
