import { spawn } from 'node:child_process'

/** What shows an address to the user; undefined where nobody would see it. */
export function browserCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string | undefined {
  if (env['CI'] || env['SSH_CONNECTION']) return undefined
  if (platform === 'darwin') return 'open'
  return env['DISPLAY'] || env['WAYLAND_DISPLAY'] ? 'xdg-open' : undefined
}

/**
 * Shows an address in the browser, which goes on by itself.
 * @returns false where there is no such program
 */
export function showInBrowser(program: string, url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [url], { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}
