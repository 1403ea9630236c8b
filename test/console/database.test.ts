import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openHistory } from '../../src/console/history.ts'
import { migrations } from '../../src/console/schema.ts'
import { blobOf, seededBlob } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { recordingLog } from '../fixture/log.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { finished, started, tell } from './bes-client.ts'
import { callerOf, hit, hour, openTestConsole } from './fixture.ts'

/** A history with a build of many actions; closed in good order. */
async function writtenHistory(folder: string): Promise<string> {
  const town = openTestConsole({ folder })
  for (let at = 0; at < 900; at += 1) town.recorder.lookup(callerOf({ invocation: 'old' }), blobOf(`${at}`).digest, hit)
  await town.settled()
  town.close()
  return join(folder, 'history.db')
}

function reopened(folder: string) {
  const { log, lines } = recordingLog()
  const town = openTestConsole({ folder, log })
  onTestFinished(() => town.close())
  return { ...town, lines }
}

const asideName = /^history\.db\.unusable-\d+$/

it('a database of the release before keeps its builds, and takes what clients tell', async () => {
  const folder = await testFolder()
  const database = new DatabaseSync(join(folder, 'history.db'))
  database.exec(`${migrations[0]}; PRAGMA user_version = 1;`)
  database.exec(
    `INSERT INTO builds (name, correlated, tool, tool_version, instance, first_seen, last_seen, hits)
      VALUES ('old', '', 'bazel', '7.7.1', 'main', 1799999000000, 1799999001000, 3)`,
  )
  database.close()
  const { channel, console, history, lines } = reopened(folder)
  expect(await history.builds({ limit: 2 })).toMatchObject([{ id: 'old', hits: 3, toolVersion: '7.7.1' }])
  expect(await console.history.invocation('old')).toBeUndefined()
  expect(await tell(channel, 'old', [started('test'), finished()])).toEqual([1, 2])
  expect(await history.builds({ limit: 2 })).toMatchObject([{ id: 'old', hits: 3, told: { command: 'test' } }])
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([])
})

describe('a database that is of no use', () => {
  it.each([
    [
      'is not a database',
      (file: string) => writeFile(file, 'not a database, and long enough to look like one'.repeat(99)),
    ],
    ['is of a later release', async (file: string) => setVersion(file, migrations.length + 1)],
    ['has our version, but not our tables', async (file: string) => dropTables(file)],
  ])('since it %s is moved aside, and another takes its place', async (_, spoil) => {
    const folder = await testFolder()
    await spoil(await writtenHistory(folder))
    const { recorder, history, settled, lines } = reopened(folder)
    expect(await history.builds({ limit: 1 })).toEqual([])
    expect((await readdir(folder)).filter((name) => asideName.test(name))).toHaveLength(1)
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    recorder.lookup(callerOf({ invocation: 'new' }), blobOf('a').digest, hit)
    await settled()
    expect(await history.builds({ limit: 1 })).toMatchObject([{ id: 'new' }])
  })

  it('since it is torn is moved aside once that shows, and what follows is written', async () => {
    const folder = await testFolder()
    const file = await writtenHistory(folder)
    await truncate(file, Math.floor((await readFile(file)).length / 2))
    const { clock, recorder, history, settled, lines } = reopened(folder)
    for (let tries = 0; tries < 4; tries += 1) {
      recorder.lookup(callerOf({ invocation: `new-${tries}` }), blobOf(`${tries}`).digest, hit)
      await settled()
      clock.advance(10_000)
      await settled()
    }
    expect((await readdir(folder)).filter((name) => asideName.test(name))).toHaveLength(1)
    expect(lines.some(({ message }) => message.includes('begins anew'))).toBe(true)
    expect((await history.builds({ limit: 9 })).map(({ id }) => id)).toContain('new-3')
  })
})

function setVersion(file: string, version: number): void {
  const database = new DatabaseSync(file)
  database.exec(`PRAGMA user_version = ${version}`)
  database.close()
}

function dropTables(file: string): void {
  const database = new DatabaseSync(file)
  database.exec('DROP TABLE actions')
  database.close()
}

it('the steps from any earlier version to this one end at the same tables', async () => {
  const folder = await testFolder()
  const tablesAt = (file: string) => {
    const database = new DatabaseSync(file, { readOnly: true })
    const rows = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all()
    database.close()
    return rows.map(({ sql }) => sql)
  }
  const fresh = join(folder, 'fresh.db')
  openAndClose(fresh)
  for (let version = 0; version <= migrations.length; version += 1) {
    const file = join(folder, `${version}.db`)
    const database = new DatabaseSync(file)
    for (const step of migrations.slice(0, version)) database.exec(step)
    database.exec(`PRAGMA user_version = ${version}`)
    database.close()
    openAndClose(file)
    expect(tablesAt(file)).toEqual(tablesAt(fresh))
  }
})

function openAndClose(path: string): void {
  const bounds = { bytesMax: 1e9, ageMsMax: hour }
  openHistory({ path, bounds, clock: manualClock(), log: quietLog }).close()
}

describe('the bounds of a history', () => {
  it('in time remove whole builds, and what only they referred to', async () => {
    const folder = await testFolder()
    const { action, clock, recorder, history, settled, close } = openTestConsole({ folder, ageMsMax: 24 * hour })
    const old = await action({ argument: 'old', outputs: ['old.o'] })
    const shared = await action({ argument: 'shared', outputs: ['shared.o'] })
    for (const each of [old, shared]) recorder.lookup(callerOf({ invocation: 'old', target: '//old' }), each, hit)
    await settled()
    clock.advance(23 * hour)
    recorder.lookup(callerOf({ invocation: 'young', target: '//young' }), shared, hit)
    await settled()
    expect(await history.builds({ limit: 9 })).toHaveLength(2)
    clock.advance(2 * hour)
    expect((await history.builds({ limit: 9 })).map(({ id }) => id)).toEqual(['young'])
    expect(await history.producers({ path: 'old.o', limit: 9 })).toEqual([])
    expect(await history.producers({ path: 'shared.o', limit: 9 })).toHaveLength(1)
    // What was remembered of numbers that are gone is not used again.
    recorder.lookup(callerOf({ invocation: 'third', target: '//old' }), old, hit)
    await settled()
    expect(await history.actions({ build: 'third', limit: 9 })).toMatchObject([{ target: '//old', digest: old }])
    close()
    expect(rowsIn(folder)).toEqual({ builds: 2, actions: 2, contents: 2, labels: 2 })
  })

  it('in size remove the oldest builds and blobs, and the file stays about as large', async () => {
    const folder = await testFolder()
    const bytesMax = 2 * 1024 * 1024
    const { action, clock, recorder, history, settled, close } = openTestConsole({ folder, bytesMax })
    for (let build = 0; build < 12; build += 1) {
      const argument = Buffer.from(seededBlob(build, 300_000).bytes).toString('base64')
      recorder.execution(callerOf({ invocation: `build-${build}` }), await action({ argument }), runWith())
      for (let at = 0; at < 700; at += 1)
        recorder.lookup(
          callerOf({ invocation: `build-${build}`, target: `//t:${build}-${at}` }),
          blobOf(`${build} ${at}`).digest,
          hit,
        )
      await settled()
      clock.advance(60_000)
      await settled()
    }
    const ids = (await history.builds({ limit: 100 })).map(({ id }) => id)
    expect(ids[0]).toBe('build-11')
    expect(ids.length).toBeGreaterThan(2)
    expect(ids.length).toBeLessThan(12)
    close()
    expect((await readFile(join(folder, 'history.db'))).length).toBeLessThan(1.5 * bytesMax)
  })
})

function runWith() {
  return {
    cached: false,
    merged: false,
    skipCacheLookup: false,
    doNotCache: false,
    status: 0,
    message: '',
    exitCode: 0,
    attempts: 1,
  }
}

function rowsIn(folder: string): Record<string, number> {
  const database = new DatabaseSync(join(folder, 'history.db'), { readOnly: true })
  const count = (table: string) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  const rows = {
    builds: count('builds'),
    actions: count('actions'),
    contents: count('contents'),
    labels: count('labels'),
  }
  database.close()
  return rows
}
