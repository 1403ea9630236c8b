// `npm run gen`: generates src/wire/gen from protos/, with a short name for each package.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeProtos } from './descriptors.js'
import { root } from './setup.js'

const shortNames = {
  re: 'build.bazel.remote.execution.v2',
  asset: 'build.bazel.remote.asset.v1',
  bytestream: 'google.bytestream',
  longrunning: 'google.longrunning',
  rpc: 'google.rpc',
  health: 'grpc.health.v1',
  reflection: 'grpc.reflection.v1',
  workerApi: 'native.worker.v1',
  consoleApi: 'native.console.v1',
  bes: 'google.devtools.build.v1',
  bep: 'build_event_stream',
  blazeWorker: 'blaze.worker',
}
// Leaving out what nobody calls halves the code, which is loaded at every start.
const lean = ['create', 'verify', 'delimited', 'convert', 'service', 'typeurl'].map((each) => `--no-${each}`)

const folder = join(root, 'src/wire/gen')
const code = join(folder, 'proto.js')
const types = join(folder, 'proto.d.ts')
const names = readdirSync(join(root, 'protos'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.proto'))
  .sort()
// The v1alpha messages are those of v1.
const protos = names.filter((name) => !name.includes('/v1alpha/')).map((name) => join(root, 'protos', name))

mkdirSync(folder, { recursive: true })
tool('pbjs', [
  '-t',
  'static-module',
  '-w',
  'es6',
  '--es6',
  '--force-number',
  ...lean,
  '-p',
  join(root, 'protos'),
  '-p',
  join(root, 'node_modules/protobufjs'),
  '-o',
  code,
  ...protos,
])
tool('pbts', ['-o', types, code])
for (const [short, long] of Object.entries(shortNames)) {
  appendFileSync(code, `export const ${short} = $root.${long}\n`)
  appendFileSync(types, `export import ${short} = ${long};\n`)
}

writeFileSync(
  join(folder, 'descriptors.js'),
  `export const descriptors = ${JSON.stringify(describeProtos(join(root, 'protos'), names))}\n`,
)
writeFileSync(
  join(folder, 'descriptors.d.ts'),
  `/** By file name; bytes are a google.protobuf.FileDescriptorProto in base64. */
export const descriptors: Readonly<
  Record<string, { readonly bytes: string; readonly imports: readonly string[]; readonly symbols: readonly string[] }>
>
`,
)

function tool(name, args) {
  const done = spawnSync(join(root, 'node_modules/.bin', name), args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (done.status !== 0) process.exit(done.status ?? 1)
}
