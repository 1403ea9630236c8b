#!/usr/bin/env node
// Bundles what commands load: a command is some 250 modules, and finding and linking them is half of what a short one
// takes. dist/commands and dist/src/cli/main.js become entries of one bundle, whose shared parts are dist/src/parts;
// what only one command uses, and what is imported where it is needed, stay files of their own. Packages stay outside.
// Run after bundle-servers.js; a second run needs tsc first.
import { glob, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist')
/** Modules that at least so many commands load are one file. */
const commandsThatShare = 6

const input = {
  'src/cli/main': join(dist, 'src/cli/main.js'),
  // A thread's file is looked up next to the file that starts it.
  'src/parts/remover-main': join(dist, 'src/worker/remover-main.js'),
}
for await (const file of glob('commands/**/*.js', { cwd: dist })) input[file.slice(0, -'.js'.length)] = join(dist, file)

/** Bundles that exist already. */
const bundled = /\/dist\/(?:vendor\/.*|servers\/.*|src\/cli\/serve-directly)\.js$/
const options = {
  cwd: dist,
  platform: 'node',
  // What rolldown adds for newer syntax is no package of ours: it goes into the bundle, as with the servers.
  external: (id) => (/^@?[a-z]/.test(id) && !id.startsWith('@oxc-project/')) || bundled.test(id),
  onLog,
}

// What every start needs, that of a server and of the help as well, is apart from what most commands share. So is what
// Bazel waits for: its credential helper, which needs no package and is started by every build.
const start = await modulesOf(input['src/cli/main'], join(dist, 'src/cli/help.js'))
const quick = await modulesOf(input['commands/credential-helper'], join(dist, 'src/cli/credential-helper.js'))

const build = await rolldown({ ...options, input })
const { output } = await build.write({
  dir: dist,
  format: 'esm',
  // Names are kept for stack traces.
  minify: { compress: false, mangle: false, codegen: true },
  entryFileNames: '[name].js',
  chunkFileNames: 'src/parts/[name]-[hash].js',
  codeSplitting: {
    groups: [
      { name: 'start', test: (id) => start.has(id), priority: 3 },
      { name: 'quick', test: (id) => quick.has(id), priority: 2 },
      { name: 'common', test: /\/dist\/src\//, minShareCount: commandsThatShare, priority: 1 },
    ],
  },
})
await build.close()
const made = new Set(output.map(({ fileName }) => fileName))
for (const name of await readdir(join(dist, 'src'), { recursive: true, withFileTypes: true })) {
  const path = join(name.parentPath, name.name)
  if (name.isFile() && !bundled.test(path) && !made.has(path.slice(dist.length + 1))) await rm(path)
}

/** The modules of these files, and of all that they import at once. */
async function modulesOf(...files) {
  const bundle = await rolldown({ ...options, input: files })
  const { output: chunks } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  const withImported = ({ imports, moduleIds }) => [
    ...moduleIds,
    ...chunks.filter(({ fileName }) => imports.includes(fileName)).flatMap(withImported),
  ]
  return new Set(chunks.filter(({ isEntry }) => isEntry).flatMap(withImported))
}

/** Anything unresolved or ambiguous would fail only when a command needs it. */
function onLog(level, log) {
  if (level === 'info' || level === 'debug' || log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return
  throw new Error(`bundle of the commands: ${log.message}`)
}
