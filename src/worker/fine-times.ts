import { release } from 'node:os'

/** Since Linux 6.13 a change time that somebody has looked at differs from that of the next change, however soon it comes. */
const since = [6, 13] as const

/** Do two changes always have two times on this machine? */
export function hasFineTimes(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return process.platform === 'linux' && (major > since[0] || (major === since[0] && minor >= since[1]))
}
