import { copyFile, mkdir } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { type Platform, platformText } from '../platform.ts'
import { entersProgram, programPaths } from '../tag.ts'
import type { SourceTree } from '../tree/tree.ts'
import { folderEntries, type LayerEntry } from './layer.ts'
import { type NpmOptions, npm } from './npm.ts'

/** What the program is at run time; sources and development packages are not. */
const shipped = [
  'bin/run.js',
  'dist/src',
  'dist/commands',
  'dist/vendor',
  'oclif.manifest.json',
  'package.json',
  'templates',
]
const cpuNames: Readonly<Record<string, string>> = { amd64: 'x64' }

/** The program for one platform, as entries of two layers: packages change less often than it does. */
export interface ProgramEntries {
  readonly packages: readonly LayerEntry[]
  readonly program: readonly LayerEntry[]
}

/** A program that was built from sources, once for all platforms. */
export interface BuiltProgram {
  entries(platform: Platform, to: string): Promise<ProgramEntries>
}

/**
 * Builds the program from a state of its sources, from nothing: a fresh folder, the packages
 * that package-lock.json names, the checkout's own build script.
 * @param work an empty folder
 */
export async function buildProgram(tree: SourceTree, work: string, options: NpmOptions): Promise<BuiltProgram> {
  const folder = join(work, 'program')
  await mkdir(folder, { recursive: true })
  await tree.extract(programPaths, folder)
  await npm(['ci', '--prefer-offline'], folder, options)
  // Only our own scripts run here; --ignore-scripts would skip nothing but pre and post ones.
  await npm(['run', 'build'], folder, options)
  const installed = new Map<string, Promise<string>>()
  return {
    async entries(platform, to) {
      const key = platformText(platform)
      const installing = installed.get(key) ?? productionPackages(folder, work, platform, options)
      installed.set(key, installing)
      const packages = await installing
      const program = (await folderEntries(folder, to, isShipped)).filter((each) => each.path !== to)
      return { packages: await folderEntries(packages, posix.join(to, 'node_modules'), isPackageFile), program }
    },
  }
}

async function productionPackages(
  folder: string,
  work: string,
  platform: Platform,
  options: NpmOptions,
): Promise<string> {
  const target = join(work, `packages-${platform.architecture}`)
  await mkdir(target, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) await copyFile(join(folder, file), join(target, file))
  const cpu = cpuNames[platform.architecture] ?? platform.architecture
  await npm(
    ['ci', '--omit=dev', '--prefer-offline', `--os=${platform.os}`, `--cpu=${cpu}`, '--libc=glibc'],
    target,
    options,
  )
  return join(target, 'node_modules')
}

function isShipped(path: string): boolean {
  const isPart = shipped.some((each) => path === each || path.startsWith(`${each}/`) || each.startsWith(`${path}/`))
  return isPart && entersProgram(path) && !path.endsWith('.tsbuildinfo')
}

/** npm's own note of what it installed, and the links for scripts, are of no use to the program. */
function isPackageFile(path: string): boolean {
  return path !== '.package-lock.json' && path !== '.bin'
}
