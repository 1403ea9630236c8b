// `npm run lock`: regenerates package-lock.json and completes it. If the registry lacks the packages of other
// platforms, npm leaves them out, and `npm ci` then rejects the lock everywhere. Their versions are pinned by the
// package that depends on them; os, cpu and libc follow from their names. They get no hash, since nobody here has
// seen them.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.js'

const systems = {
  linux: 'linux',
  darwin: 'darwin',
  win32: 'win32',
  windows: 'win32',
  freebsd: 'freebsd',
  openbsd: 'openbsd',
  netbsd: 'netbsd',
  sunos: 'sunos',
  aix: 'aix',
  android: 'android',
  openharmony: 'openharmony',
}
const machines = {
  x64: 'x64',
  arm64: 'arm64',
  ia32: 'ia32',
  arm: 'arm',
  ppc64: 'ppc64',
  ppc64le: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  wasm32: 'wasm32',
  mips64el: 'mips64el',
}
const file = join(root, 'package-lock.json')

const done = spawnSync('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund'], {
  cwd: root,
  stdio: 'inherit',
})
if (done.status !== 0) process.exit(done.status ?? 1)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const added = complete(lock.packages)
const { '': top, ...others } = lock.packages
const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, 'en'))
writeFileSync(file, `${JSON.stringify({ ...lock, packages: { '': top, ...Object.fromEntries(sorted) } }, null, 2)}\n`)
process.stdout.write(`completed package-lock.json with ${added} packages of other platforms\n`)

/** Adds what the table's packages may need and it lacks; returns how many. */
function complete(packages) {
  let added = 0
  for (const [path, parent] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      const platform = platformOf(name)
      if (path === '' || platform === undefined || isFound(packages, path, name)) continue
      packages[`node_modules/${name}`] = {
        version: version.replace(/^[\^~]/, ''),
        ...(parent.dev && { dev: true }),
        optional: true,
        ...platform,
      }
      added += 1
    }
  }
  return added
}

/** Would a package at this path resolve this name, there or in a parent folder? */
function isFound(packages, path, name) {
  for (let at = path; at !== ''; at = at.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, ''))
    if (packages[`${at}/node_modules/${name}`]) return true
  return packages[`node_modules/${name}`] !== undefined
}

/** Undefined for a package that is not platform-specific. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-')
  const os = words.flatMap((word) => systems[word] ?? [])
  const cpu = words.flatMap((word) => machines[word] ?? [])
  if (os.length === 0 && cpu.length === 0) return undefined
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  return {
    ...(os.length > 0 && { os }),
    ...(cpu.length > 0 && { cpu }),
    ...(libc && os[0] === 'linux' && { libc: [libc] }),
  }
}
