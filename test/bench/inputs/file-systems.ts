import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** A folder on a file system of a kind. */
export interface Place {
  readonly name: string
  readonly folder: string
}

const loopBytes = 3_000_000_000

/**
 * The folder's own file system and, where a mount namespace of our own permits it, XFS with reflinks, tmpfs and an
 * overlay. All of them end with the namespace.
 */
export function openPlaces(folder: string, mayMount: boolean): Place[] {
  const own = join(folder, 'own')
  mkdirSync(own)
  const type = execFileSync('stat', ['-f', '-c', '%T', own], { encoding: 'utf8' }).trim()
  const places = [{ name: type === 'ext2/ext3' ? 'ext4' : type, folder: own }]
  if (!mayMount) return places
  const mounted = (name: string, ...options: string[]) => {
    const at = join(folder, name)
    mkdirSync(at)
    execFileSync('mount', [...options, at])
    places.push({ name, folder: at })
  }
  const image = join(folder, 'xfs.image')
  execFileSync('truncate', ['-s', String(loopBytes), image])
  execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image])
  mounted('xfs', '-o', 'loop', image)
  mounted('tmpfs', '-t', 'tmpfs', '-o', 'size=3g', 'tmpfs')
  for (const part of ['lower', 'upper', 'work']) mkdirSync(join(folder, part))
  const layers = ['lower', 'upper', 'work'].map((part) => `${part}dir=${join(folder, part)}`)
  mounted('overlayfs', '-t', 'overlay', '-o', layers.join(','), 'overlay')
  return places
}
