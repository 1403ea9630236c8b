import { posix } from 'node:path'

/**
 * The target of an output symlink as a client should get it. An absolute one inside the action's own folder names a
 * path that is gone with the action: it becomes relative to the link. Any other is kept.
 * @param link the link's own path, as segments from the input root on
 * @param root where the action saw its input root; absolute, without a slash at its end
 */
export function targetForClient(target: string, link: readonly string[], root: string): string {
  const inside = target === root ? '' : target.startsWith(`${root}/`) ? target.slice(root.length + 1) : undefined
  if (inside === undefined) return target
  const parent = link.slice(0, -1)
  const segments = inside.split('/').filter((segment) => segment !== '' && segment !== '.')
  // What `..` leads to depends on the symlinks before it, so the path then starts at the input root.
  if (segments.includes('..')) return leadsOut(segments) ? target : [...parent.map(() => '..'), ...segments].join('/')
  return posix.relative(`/${parent.join('/')}`, `/${segments.join('/')}`) || '.'
}

function leadsOut(segments: readonly string[]): boolean {
  let depth = 0
  return segments.some((segment) => {
    depth += segment === '..' ? -1 : 1
    return depth < 0
  })
}
