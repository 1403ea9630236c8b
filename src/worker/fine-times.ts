import { release } from 'node:os'

/** Since Linux 6.13, once a change time has been read, the next change gets a different one, however soon it comes. */
const since = [6, 13] as const

/** Do two changes always have different times on this machine? */
export function hasFineTimes(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return process.platform === 'linux' && (major > since[0] || (major === since[0] && minor >= since[1]))
}
