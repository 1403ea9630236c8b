#!/usr/bin/env node
// Bundles what a server loads into a few files under dist/servers, and points dist/src/cli/serve-directly.js at them: a
// server is some 300 modules (ours and packages'), and finding and linking them takes a third of its start-up time, in
// every process of a cluster. Each role's own part stays a separate file. Run after vendor.js; a second run needs tsc
// first.
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
  // A thread's file is looked up next to the file that starts it.
  'remover-main': join(dist, 'src/worker/remover-main.js'),
}
// Needed only by servers with other people's tokens, passwords or their own certificates, and they are large.
const external = ['@peculiar/x509', 'bcryptjs', 'jose', 'reflect-metadata/lite']

/** Metrics are fetched from a server. What would push them loads HTTP and TLS at every start, 8 ms of it. */
const withoutPushgateway = {
  name: 'without-pushgateway',
  transform: {
    filter: { id: /prom-client\/lib\/pushgateway\.js$/ },
    handler: () => ({ code: 'module.exports = class Pushgateway {}', map: null }),
  },
}

const build = await rolldown({ cwd: root, input, platform: 'node', external, plugins: [withoutPushgateway], onLog })
await build.write({
  dir: servers,
  format: 'esm',
  // Names are kept for stack traces.
  minify: { compress: false, mangle: false, codegen: true },
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
})
await build.close()
await writeFile(entry, "export { serveDirectly } from '../../servers/serve-directly.js'\n")

/** Anything unresolved or ambiguous would fail only when a server needs it. */
function onLog(level, log) {
  // A module may be imported statically by one file and dynamically by another; that is no problem.
  if (level === 'info' || level === 'debug' || log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return
  throw new Error(`bundle of the servers: ${log.message}`)
}
