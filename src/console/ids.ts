import type { DatabaseSync } from 'node:sqlite'
import { type Digest, digestKey } from '../core/digest.ts'
import type { Client } from './events.ts'

/** The row ids of builds, labels and contents; new ones are inserted. */
export interface Ids {
  build(name: string, client: Client, instance: string, at: number): number
  label(client: Client): number
  /** @returns also whether its Action has been read */
  content(action: Digest): { readonly id: number; readonly known: boolean }
  /** Empties the cache, since the tables may have changed. */
  forget(): void
}

/** Cached ids of each kind, a few MB altogether. */
const rememberedMax = 20_000

export function createIds(database: DatabaseSync): Ids {
  const findBuild = database.prepare('SELECT id FROM builds WHERE name = ?')
  const addBuild = database.prepare(
    `INSERT INTO builds (name, correlated, tool, tool_version, instance, first_seen, last_seen)
      VALUES (?, ?, ?, ?, ?, ?, ?)`,
  )
  const findLabel = database.prepare('SELECT id FROM labels WHERE target = ? AND mnemonic = ? AND configuration = ?')
  const addLabel = database.prepare('INSERT INTO labels (target, mnemonic, configuration) VALUES (?, ?, ?)')
  const findContent = database.prepare(
    'SELECT id, command_hash IS NOT NULL AS known FROM contents WHERE hash = ? AND size = ? AND fn = ?',
  )
  const addContent = database.prepare('INSERT INTO contents (fn, hash, size) VALUES (?, ?, ?)')
  const builds = new Map<string, number>()
  const labels = new Map<string, number>()
  const known = new Map<string, number>()

  function remember(map: Map<string, number>, key: string, id: number): number {
    if (map.size >= rememberedMax) map.clear()
    map.set(key, id)
    return id
  }

  return {
    build(name, { correlated, tool, toolVersion }, instance, at) {
      const remembered = builds.get(name)
      if (remembered !== undefined) return remembered
      const found = findBuild.get(name)
      const id = found
        ? Number(found['id'])
        : Number(addBuild.run(name, correlated, tool, toolVersion, instance, at, at).lastInsertRowid)
      return remember(builds, name, id)
    },
    label({ target, mnemonic, configuration }) {
      const key = JSON.stringify([target, mnemonic, configuration])
      const remembered = labels.get(key)
      if (remembered !== undefined) return remembered
      const found = findLabel.get(target, mnemonic, configuration)
      const id = found ? Number(found['id']) : Number(addLabel.run(target, mnemonic, configuration).lastInsertRowid)
      return remember(labels, key, id)
    },
    content(action) {
      const key = digestKey(action)
      const id = known.get(key)
      if (id !== undefined) return { id, known: true }
      const found = findContent.get(action.hash, action.size, action.fn)
      if (!found)
        return { id: Number(addContent.run(action.fn, action.hash, action.size).lastInsertRowid), known: false }
      if (found['known'] !== 1) return { id: Number(found['id']), known: false }
      return { id: remember(known, key, Number(found['id'])), known: true }
    },
    forget() {
      builds.clear()
      labels.clear()
      known.clear()
    },
  }
}
