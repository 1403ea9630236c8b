import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Decision, until, type Watched, watched } from '../../../src/cluster/kubernetes/watch.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { type FaultyServer, faultyServer, json, refusal, stream } from './server.ts'

const schema = z.object({ metadata: z.object({ name: z.string() }), value: z.number() })
type Item = z.output<typeof schema>

const path = '/api/v1/things'
const item = (value: number, resourceVersion = String(value)) => ({
  metadata: { name: 'one', namespace: 'n', resourceVersion },
  value,
})
const listOf = (resourceVersion: string, ...items: object[]) => json({ metadata: { resourceVersion }, items })
const event = (type: string, object: object) => ({ type, object })

/** Watches until the one item has this value, or is gone. */
async function untilValue({ kubernetes }: FaultyServer, value: number | undefined): Promise<Watched<Item>> {
  const things = watched(kubernetes, { path, schema })
  const options = { clock: systemClock, signal: new AbortController().signal, msMax: 30_000 }
  await until([things], options, async (expired): Promise<Decision> => {
    if (expired) throw new Error(`still ${things.items.get('n/one')?.value}`)
    return things.items.get('n/one')?.value === value ? 'done' : {}
  })
  return things
}

const versions = ({ requests }: FaultyServer) => requests.map(({ searchParams }) => searchParams.get('resourceVersion'))

test('a watch goes on from the list, with bookmarks', async () => {
  await using server = await faultyServer([listOf('5', item(1)), stream([event('MODIFIED', item(2, '6'))], 'open')])
  await untilValue(server, 2)
  expect(versions(server)).toEqual([null, '5'])
  expect(server.requests[1]?.searchParams.get('allowWatchBookmarks')).toBe('true')
})

test('what is deleted is gone', async () => {
  await using server = await faultyServer([listOf('5', item(1)), stream([event('DELETED', item(1, '6'))], 'open')])
  await untilValue(server, undefined)
})

test.each(['close', 'cut'] as const)('after a connection that ends (%s) it goes on where it was', async (end) => {
  await using server = await faultyServer([
    listOf('5', item(1)),
    stream([event('MODIFIED', item(2, '6')), event('BOOKMARK', { metadata: { name: '', resourceVersion: '9' } })], end),
    stream([event('MODIFIED', item(3, '10'))], 'open'),
  ])
  await untilValue(server, 3)
  expect(versions(server)).toEqual([null, '5', '9'])
})

test('410 Gone, as an event or as an answer, lists anew', async () => {
  const gone = event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' })
  await using server = await faultyServer([
    listOf('5', item(1)),
    stream([gone], 'close'),
    listOf('20', item(2)),
    refusal(410, 'too old resource version'),
    listOf('30', item(3)),
    stream([], 'open'),
  ])
  const things = await untilValue(server, 3)
  expect(things.items.size).toBe(1)
  expect(versions(server).slice(0, 5)).toEqual([null, '5', null, '20', null])
})

test('an overloaded server is asked again; a refusal ends the watch', async () => {
  await using server = await faultyServer([
    listOf('5', item(1)),
    refusal(500, 'etcdserver: leader changed'),
    stream([event('MODIFIED', item(2, '6'))], 'open'),
  ])
  await untilValue(server, 2)
  await using denied = await faultyServer([listOf('5', item(1)), refusal(403, 'no')], 0)
  await expect(untilValue(denied, 2)).rejects.toMatchObject({ kind: 'denied' })
})

test('a server that stays away ends the watch when the patience does', async () => {
  await using server = await faultyServer([listOf('5', item(1)), (_, response) => response.destroy()], 300)
  await expect(untilValue(server, 2)).rejects.toMatchObject({ kind: 'unavailable' })
})

test('an abort ends a watch at once, with its reason', async () => {
  const abort = new AbortController()
  const reason = new Error('interrupted')
  await using server = await faultyServer([listOf('5', item(1)), () => abort.abort(reason)])
  const things = watched(server.kubernetes, { path, schema })
  const options = { clock: systemClock, signal: abort.signal, msMax: 60_000 }
  await expect(until([things], options, async () => ({}))).rejects.toBe(reason)
})

test('what is decided on is looked at again when it asks for that, and at the end', async () => {
  await using server = await faultyServer([listOf('5', item(1)), stream([], 'open')])
  const things = watched(server.kubernetes, { path, schema })
  const seen: boolean[] = []
  const options = { clock: systemClock, signal: new AbortController().signal, msMax: 200 }
  await until([things], options, async (expired): Promise<Decision> => {
    seen.push(expired)
    return expired ? 'done' : { againMs: 20 }
  })
  expect(seen.length).toBeGreaterThan(2)
  expect(seen.at(-1)).toBe(true)
})
