import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'
import { type CgroupPlace, type CgroupPlaces, type Controller, cgroupsIn } from './cgroups.ts'
import type { Keeper, Limits } from './limits.ts'
import { watchPeakMemory } from './peak-memory.ts'

const prefix = 'native-slot-'
/** The period in which the kernel distributes processor time. */
const roundUs = 100_000

/** Which limits are enforced by cgroups here. */
export function keptBy(places: CgroupPlaces, limits: Limits): readonly Controller[] {
  const configured = { memory: limits.memoryBytes, pids: limits.pids, cpu: limits.cpus }
  return (['memory', 'pids', 'cpu'] as const).filter((each) => places[each] && configured[each] !== undefined)
}

/**
 * Puts a slot's shell, and so everything that it starts from now on, into cgroups of its own with these limits.
 * @param name of the slot
 * @throws a system error when the system does not let it
 */
export function keepSlot(name: string, shell: number, limits: Limits, places: CgroupPlaces): Keeper {
  const folders = new Map<Controller, { path: string; place: CgroupPlace }>()
  const remove = () => {
    for (const path of new Set([...folders.values()].map((each) => each.path))) removeCgroup(path)
  }
  try {
    for (const controller of keptBy(places, limits)) {
      const place = places[controller]
      if (!place) continue
      const path = join(place.directory, `${prefix}${process.pid}-${name}`)
      folders.set(controller, { path, place })
      mkdirSync(path, { recursive: true })
      for (const [file, value] of settings(controller, place.version, limits)) {
        const at = join(path, file)
        if (existsSync(at)) writeFileSync(at, value)
      }
      writeFileSync(join(path, 'cgroup.procs'), String(shell))
    }
  } catch (error) {
    remove()
    throw error
  }
  const count = (controller: Controller, file: readonly [string, string], key: string) => {
    const folder = folders.get(controller)
    return folder ? countIn(join(folder.path, file[folder.place.version - 1] ?? ''), key) : 0
  }
  let told = { memoryKills: 0, pidsRefused: 0 }
  const ofMemory = folders.get('memory')
  const memory = ofMemory && watchPeakMemory(ofMemory.path, ofMemory.place.version)
  return {
    begin: () => memory?.begin(),
    newCounts() {
      const before = told
      told = {
        memoryKills: count('memory', ['memory.oom_control', 'memory.events'], 'oom_kill'),
        pidsRefused: count('pids', ['pids.events', 'pids.events'], 'max'),
      }
      return {
        memoryKills: told.memoryKills - before.memoryKills,
        pidsRefused: told.pidsRefused - before.pidsRefused,
      }
    },
    peakMemory: () => memory?.peak(),
    remove() {
      memory?.close()
      remove()
    },
  }
}

/** Removes cgroups left by slots of workers that are gone. */
export function removeLeftCgroups(places: CgroupPlaces): void {
  for (const place of Object.values(places))
    for (const name of cgroupsIn(place, prefix))
      if (!isThere(Number.parseInt(name.slice(prefix.length), 10))) removeCgroup(join(place.directory, name))
}

function settings(controller: Controller, version: 1 | 2, limits: Limits): (readonly [string, string])[] {
  const { memoryBytes = 0, pids = 0, cpus = 0 } = limits
  if (controller === 'pids') return [['pids.max', String(pids + 1)]]
  if (controller === 'cpu') {
    const share = String(Math.max(1000, Math.round(cpus * roundUs)))
    if (version === 2) return [['cpu.max', `${share} ${roundUs}`]]
    return [
      ['cpu.cfs_period_us', String(roundUs)],
      ['cpu.cfs_quota_us', share],
    ]
  }
  // Without a swap limit, an action that takes too much would make the machine slow instead of being killed.
  if (version === 2)
    return [
      ['memory.max', String(memoryBytes)],
      ['memory.swap.max', '0'],
    ]
  return [
    ['memory.limit_in_bytes', String(memoryBytes)],
    ['memory.memsw.limit_in_bytes', String(memoryBytes)],
  ]
}

function countIn(file: string, key: string): number {
  try {
    return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(file, 'latin1'))?.[1] ?? 0)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return 0
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'
  }
}

/** A cgroup that still holds processes, or is gone, is left alone. */
function removeCgroup(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}
