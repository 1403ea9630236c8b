import { spawn } from 'node:child_process'

/** The program that opens a URL for the user; undefined if nobody would see it. */
export function browserCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string | undefined {
  if (env['CI'] || env['SSH_CONNECTION']) return undefined
  if (platform === 'darwin') return 'open'
  return env['DISPLAY'] || env['WAYLAND_DISPLAY'] ? 'xdg-open' : undefined
}

/**
 * Opens a URL in the browser, without waiting for it.
 * @returns false if there is no such program
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
