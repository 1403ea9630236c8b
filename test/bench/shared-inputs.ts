import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { type Digest, digestText } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { re } from '../../src/wire/proto.ts'
import { openContent } from '../../src/worker/content.ts'
import { makeInputs, removeInputs, returnInputs } from '../../src/worker/inputs.ts'
import { openRemote } from '../client/remote.ts'
import { median } from './table.ts'

/**
 * What inputs cost that one action after the other has: making the tree and giving it back, without an action in between.
 *   node test/bench/shared-inputs.ts [--files 5000] [--actions 8] [--folder DIR]
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    actions: { type: 'string', default: '8' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const filesPerFolder = 100
const fileBytes = 2048

const folder = await mkdtemp(join(values.folder, 'native-bench-'))
const cas = createCasClient(openRemote().channel)
const directories = new Map<string, re.Directory>()
const root = await upload(Number(values.files) / filesPerFolder)
const signal = new AbortController().signal
const left: string[] = []
const remove = (path: string) => void left.push(path)
const content = openContent(join(folder, 'cache'), 10e9, cas, signal, remove)
const source = { content, links: undefined, reuse: async () => true, remove }
const [times, cpu]: [number[], number[]] = [[], []]
// One more: the first one fetches and copies.
for (let action = 0; action <= Number(values.actions); action += 1) {
  const [began, cpuBefore] = [performance.now(), process.cpuUsage()]
  const path = join(folder, `action-${action}`)
  const inputs = await makeInputs(path, root, directories, source, signal)
  returnInputs(inputs, source)
  await removeInputs(path, inputs, source)
  times.push(performance.now() - began)
  const { user, system } = process.cpuUsage(cpuBefore)
  cpu.push((user + system) / 1000)
  for (const each of left.splice(0)) await rm(each, { recursive: true, force: true })
}
const [first = 0] = times
const cells = [values.files, first.toFixed(0), median(times.slice(1)).toFixed(0), median(cpu.slice(1)).toFixed(0)]
process.stdout.write(
  `| inputs | first action (ms) | each further one (ms) | its processor time (ms) |\n| ---: | ---: | ---: | ---: |\n`,
)
process.stdout.write(`| ${cells.join(' | ')} |\n`)
await rm(folder, { recursive: true, force: true })

async function upload(folders: number): Promise<Digest> {
  const nodes = await Promise.all(Array.from({ length: folders }, (_, at) => uploadFolder(at)))
  return keep(nodes)
}

async function uploadFolder(at: number): Promise<re.DirectoryNode.$Properties> {
  const blobs = Array.from({ length: filesPerFolder }, (_, file) => {
    const bytes = Buffer.from(`${at} ${file}`.padEnd(fileBytes))
    return { digest: digestOf('sha256', bytes), content: bytes }
  })
  await cas.upload(blobs)
  const files = blobs.map(({ digest }, file) => ({ name: `${file}`, digest: wireDigest(digest) }))
  return { name: `${at}`, digest: wireDigest(keep([], files)) }
}

function keep(folders: re.DirectoryNode.$Properties[], files: re.FileNode.$Properties[] = []): Digest {
  const bytes = re.Directory.encode({ directories: folders, files }).finish()
  const digest = digestOf('sha256', bytes)
  directories.set(digestText(digest), re.Directory.decode(bytes))
  return digest
}
