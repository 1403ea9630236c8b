import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isThere, writeWhole } from '../../host/files.ts'
import { isFree, type Ports } from '../shared/ports.ts'
import { readState } from '../shared/state-file.ts'
import type { ClusterPaths } from './paths.ts'
import { sizeOf } from './tail.ts'

const keptPorts = z.record(z.string(), z.number().int().min(1).max(65_535))
/** How many files are visited to estimate how much is kept. */
const filesMax = 200_000

/** Writes the ports of a cluster beside its data, for the next cluster that uses the data. */
export async function keepPorts(paths: ClusterPaths, ports: Ports): Promise<void> {
  if (await isThere(paths.data)) await writeWhole(fileOf(paths), `${JSON.stringify(ports)}\n`)
}

/** The kept ports that are still free. */
export async function portsKept(paths: ClusterPaths): Promise<Ports> {
  const ports = (await readState(fileOf(paths), keptPorts).catch(() => undefined)) ?? {}
  const free = await Promise.all(Object.entries(ports).map(async (each) => ((await isFree(each[1])) ? [each] : [])))
  return Object.fromEntries(free.flat())
}

/** The size of a cluster's data, and whether there is more than was counted. */
export async function dataSize({ data }: ClusterPaths): Promise<{ bytes: number; more: boolean }> {
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((each) => each.isFile())
  let bytes = 0
  for (const { parentPath, name } of files.slice(0, filesMax)) bytes += await sizeOf(join(parentPath, name))
  return { bytes, more: files.length > filesMax }
}

function fileOf({ data }: ClusterPaths): string {
  return join(data, 'ports.json')
}
