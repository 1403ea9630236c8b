#!/usr/bin/env node
// Puts what a server loads into a few files under dist/servers, and has dist/src/cli/serve-directly.js lead there: a
// server is some 300 modules of ours and packages, and finding and linking each takes a third of its start, for every
// process of a cluster. A role's own part stays a file of its own. Run after vendor.js; a second run needs tsc before it.
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const servers = join(dist, 'servers')
const entry = join(dist, 'src/cli/serve-directly.js')

await rm(servers, { recursive: true, force: true })
const input = {
  'serve-directly': entry,
  // A thread's file is looked for beside the file that starts it.
  'remover-main': join(dist, 'src/worker/remover-main.js'),
}
// Only a server with tokens of others, passwords or its own certificates loads these, and they are large.
const external = ['@peculiar/x509', 'bcryptjs', 'jose', 'reflect-metadata/lite']
const build = await rolldown({ cwd: root, input, platform: 'node', external, onLog })
await build.write({
  dir: servers,
  format: 'esm',
  // Names stay as they are, for stacks.
  minify: { compress: false, mangle: false, codegen: true },
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
})
await build.close()
await writeFile(entry, "export { serveDirectly } from '../../servers/serve-directly.js'\n")

/** What is not found or not clear would fail when a server needs it. */
function onLog(level, log) {
  // A module that one imports at once and another later comes at once: nothing is wrong with that.
  if (level === 'info' || level === 'debug' || log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return
  throw new Error(`bundle of the servers: ${log.message}`)
}
