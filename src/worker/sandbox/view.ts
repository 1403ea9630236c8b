import { existsSync, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { launcherPath } from './launcher.ts'
import { bind, bindReadOnly, type Mount } from './mounts.ts'
import { toolsPath } from './tools.ts'

/** What an action sees of its machine. */
export interface View {
  /** Folders and empty files to mount on; absolute, each after its parent. */
  readonly folders: readonly string[]
  readonly files: readonly string[]
  /** Symlinks: path and target. */
  readonly links: readonly (readonly [string, string])[]
  readonly mounts: readonly Mount[]
}

/** Programs and libraries. */
const programFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store']
/** Settings that programs cannot do without; none of the machine's secrets, and no private keys. */
const settings = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'debian_version',
  'fonts',
  'group',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'magic',
  'magic.mime',
  'mime.types',
  'networks',
  'nsswitch.conf',
  'os-release',
  'passwd',
  'perl',
  'pki/ca-trust/extracted',
  'pki/tls/certs',
  'protocols',
  'python3',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
]
/** Each version of Java has one. */
const javaSettings = /^java-[\w.-]+$/
/** Settings for finding others on the network. */
const networkSettings = ['hosts', 'resolv.conf', 'gai.conf']
/** Those of them that an image's tree has a mount point for. */
const imageNetworkSettings = ['/etc/hosts', '/etc/resolv.conf']
const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
/** Where an action's folder is, in `root`. */
export const boxPath = '/build'
/** The slot's own folder, which only the slot's shell can reach. */
export const cellPath = '/.cell'

export interface ViewOptions {
  /** Folders and files that are also shown, read-only. */
  readonly paths: readonly string[]
  readonly network: boolean
  /** The slot's own folder, a path on the machine; `box` and the first `tmp` are in it. */
  readonly cell: string
  readonly isRoot: boolean
  /** The file of the launcher, a path on the machine. */
  readonly launcher?: string
  /** Replaces the machine's programs and settings. */
  readonly image?: ImageView | undefined
}

/** An image as a root. */
export interface ImageView {
  /** Its files, furnished (images/tree.ts), and the programs that start actions (tools.ts): paths on the machine. */
  readonly tree: string
  readonly tools: string
}

/** Top-level names that are the sandbox's own, whatever an image has there. */
const ownNames: ReadonlySet<string> = new Set([
  'dev',
  'proc',
  'sys',
  'tmp',
  'build',
  '.cell',
  '.native',
  '.launch',
  '.old',
])

/**
 * The machine as an action sees it: programs, libraries and some settings, read-only; harmless devices; its own /proc,
 * /tmp and /dev/shm.
 * @throws a system error
 */
export function viewOf({ paths, network, cell, isRoot, launcher, image }: ViewOptions): View {
  const folders = new Set<string>()
  const files: string[] = []
  const links: [string, string][] = []
  const mounts: Mount[] = []
  const folder = (path: string) => {
    if (path === '/' || folders.has(path)) return
    folder(dirname(path))
    folders.add(path)
  }
  const show = (path: string) => {
    // What is inside a shown folder is there already.
    if (mounts.some(({ target }) => path === target || path.startsWith(`${target}/`))) return
    if (statSync(path).isDirectory()) folder(path)
    else {
      folder(dirname(path))
      files.push(path)
    }
    mounts.push(...bindReadOnly(path))
  }
  const showMachine = () => {
    for (const path of programFolders.filter(existsSync)) {
      if (lstatSync(path).isSymbolicLink()) links.push([path, readlinkSync(path)])
      else show(path)
    }
    const java = readdirSync('/etc').filter((name) => javaSettings.test(name))
    for (const name of [...settings, ...java, ...(network ? networkSettings : [])])
      if (existsSync(`/etc/${name}`)) show(`/etc/${name}`)
    for (const path of paths) show(path)
    for (const path of ['/var', '/home', '/root', '/run', '/etc']) folder(path)
    links.push(['/var/tmp', '/tmp'])
  }
  const showImage = ({ tree, tools }: ImageView) => {
    for (const name of readdirSync(tree).filter((each) => !ownNames.has(each))) {
      const [source, at] = [`${tree}/${name}`, `/${name}`]
      const stats = lstatSync(source)
      if (stats.isSymbolicLink()) links.push([at, readlinkSync(source)])
      else if (stats.isDirectory()) folder(at)
      else files.push(at)
      if (!stats.isSymbolicLink()) mounts.push(...bindReadOnly(source, at))
    }
    if (network) for (const at of imageNetworkSettings.filter(existsSync)) mounts.push(...bindReadOnly(at))
    folder(toolsPath)
    mounts.push(...bindReadOnly(tools, toolsPath))
  }
  if (image) showImage(image)
  else showMachine()
  for (const path of ['/dev/pts', '/dev/shm', '/dev/mqueue', '/proc', '/tmp']) folder(path)
  folder(boxPath)
  folder(cellPath)
  if (launcher !== undefined) {
    files.push(launcherPath)
    mounts.push(...bindReadOnly(launcher, launcherPath))
  }
  for (const name of devices) {
    files.push(`/dev/${name}`)
    mounts.push(bind(`/dev/${name}`, `/dev/${name}`, []))
  }
  links.push(['/dev/ptmx', 'pts/ptmx'], ['/dev/fd', '/proc/self/fd'])
  for (const [at, name] of ['stdin', 'stdout', 'stderr'].entries()) links.push([`/dev/${name}`, `/proc/self/fd/${at}`])
  const quiet = ['nosuid', 'noexec']
  mounts.push(
    { source: 'devpts', target: '/dev/pts', type: 'devpts', options: ['newinstance,ptmxmode=0666,mode=620', ...quiet] },
    sharedMemory,
    { source: 'mqueue', target: '/dev/mqueue', type: 'mqueue', options: ['nodev', ...quiet] },
    { source: 'proc', target: '/proc', type: 'proc', options: ['nodev', ...quiet] },
    ...(isRoot ? guardedKernelSettings() : []),
    bind(`${cell}/box`, boxPath),
    bind(`${cell}/tmp-1`, '/tmp'),
    bind(cell, cellPath),
  )
  return { folders: [...folders], files, links, mounts }
}

/** POSIX shared memory. */
export const sharedMemory: Mount = {
  source: 'shm',
  target: '/dev/shm',
  type: 'tmpfs',
  options: ['nosuid', 'nodev', 'mode=1777'],
}

/**
 * Root owns the kernel's settings, even without capabilities: they can be read but not changed; those that only root
 * may read are hidden.
 */
function guardedKernelSettings(): Mount[] {
  const names = readdirSync('/proc').filter((name) => !/^\d+$/.test(name))
  return names.flatMap((name) => {
    const path = `/proc/${name}`
    const stats = lstatSync(path)
    if (stats.isSymbolicLink()) return []
    if (stats.isDirectory() || (stats.mode & 0o004) !== 0)
      return stats.isDirectory() || (stats.mode & 0o222) !== 0 ? [inside(path)] : []
    return [bind('/dev/null', path, [])]
  })
}

/** A path in the sandbox's own /proc, not the machine's. */
function inside(path: string): Mount {
  return { source: path, target: path, type: 'none', options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'], own: true }
}
