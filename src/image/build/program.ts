import { mkdir, writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { type Platform, platformText } from '../platform.ts'
import { entersProgram, programPaths } from '../tag.ts'
import { folderTree } from '../tree/folder.ts'
import type { SourceTree } from '../tree/tree.ts'
import { folderEntries, type LayerEntry } from './layer.ts'
import { type NpmOptions, npm } from './npm.ts'

/** What the program consists of at run time, without sources and development packages. */
const shipped = [
  'bin/run.js',
  'bin/main.js',
  'bin/own-node.js',
  'dist/src',
  'dist/commands',
  'dist/page.js',
  'dist/servers',
  'dist/vendor',
  'oclif.manifest.json',
  'package.json',
  'templates',
]
const cpuNames: Readonly<Record<string, string>> = { amd64: 'x64' }

/** What a layer is made from, and how. */
export interface Ingredients {
  /** Everything that determines it; the same inputs give the same layer. */
  readonly inputs: readonly unknown[]
  entries(options: NpmOptions): Promise<readonly LayerEntry[]>
}

/**
 * The program, built from scratch from a state of its sources: a fresh folder, the packages in package-lock.json, the
 * checkout's own build script. It is the same for all platforms.
 * @param work an empty folder
 * @param to where it goes in the image
 */
export async function programOf(tree: SourceTree, work: string, to: string): Promise<Ingredients> {
  const folder = join(work, 'program')
  await mkdir(folder, { recursive: true })
  await tree.extract(programPaths, folder)
  // From what was extracted, not from the tree: a working tree may change at any moment.
  const files = (await folderTree(folder).files(programPaths)).filter(({ path }) => entersProgram(path))
  return {
    inputs: ['program', to, files.map(({ mode, path, id }) => [mode, path, id])],
    async entries(options) {
      await npm(['ci', '--prefer-offline'], folder, options)
      // Only our own scripts run here; --ignore-scripts would only skip pre and post scripts.
      await npm(['run', 'build'], folder, options)
      return (await folderEntries(folder, to, isShipped)).filter((each) => each.path !== to)
    },
  }
}

/**
 * The packages that the program needs at run time on a platform, from package-lock.json; they change less often than
 * the program.
 * @param work a folder
 * @param to where the program goes in the image
 */
export async function packagesOf(tree: SourceTree, platform: Platform, work: string, to: string): Promise<Ingredients> {
  const names = ['package.json', 'package-lock.json']
  const files = await Promise.all(names.map(async (name) => ({ name, bytes: await tree.read(name) })))
  const texts = files.map(({ bytes }) => new TextDecoder().decode(bytes))
  return {
    inputs: ['packages', to, platformText(platform), texts],
    async entries(options) {
      const target = join(work, 'packages')
      await mkdir(target, { recursive: true })
      for (const { name, bytes } of files) await writeFile(join(target, name), bytes)
      const cpu = cpuNames[platform.architecture] ?? platform.architecture
      const where = [`--os=${platform.os}`, `--cpu=${cpu}`, '--libc=glibc']
      await npm(['ci', '--omit=dev', '--prefer-offline', ...where], target, options)
      // If nothing is needed, npm makes no folder.
      await mkdir(join(target, 'node_modules'), { recursive: true })
      return folderEntries(join(target, 'node_modules'), posix.join(to, 'node_modules'), isPackageFile)
    },
  }
}

function isShipped(path: string): boolean {
  const isPart = shipped.some((each) => path === each || path.startsWith(`${each}/`) || each.startsWith(`${path}/`))
  return isPart && entersProgram(path) && !path.endsWith('.tsbuildinfo')
}

/** npm's own record of what it installed, and links to scripts, are of no use to the program. */
function isPackageFile(path: string): boolean {
  return path !== '.package-lock.json' && path !== '.bin'
}
