import { expect, test } from 'vitest'
import { eachAction } from '../../../src/cli/repeat/each-action.ts'
import { Failure } from '../../../src/core/failure.ts'
import { Code, RpcError } from '../../../src/wire/rpc.ts'
import { recordOf } from './scene.ts'

const lost = new RpcError(Code.UNAVAILABLE, 'the worker was lost')
const denied = new RpcError(Code.PERMISSION_DENIED, 'not you')
const refused = new RpcError(Code.FAILED_PRECONDITION, 'no worker for it')

/** Checks actions, one after another, that end so, and gives those that were told of as failed. */
async function ended(...ends: (Error | 'well')[]) {
  const records = ends.map((_, at) => recordOf(String(at)))
  const failed: string[] = []
  const stopped = await eachAction(
    records,
    { jobs: 1, signal: new AbortController().signal },
    async (record) => {
      const end = ends[records.indexOf(record)]
      if (end instanceof Error) throw end
    },
    ({ target }) => failed.push(target),
  )
  return { stopped, failed }
}

test('one that loses its worker is told of, and the others go on', async () => {
  expect(await ended(lost, lost, 'well', lost, refused, lost)).toEqual({
    stopped: undefined,
    failed: ['0', '1', '3', '4', '5'],
  })
})

test('three in a row without a server end the check, and what was found stands', async () => {
  expect(await ended('well', lost, lost, lost, 'well', 'well')).toEqual({
    stopped: { actions: 2, message: lost.message },
    failed: ['1', '2', '3'],
  })
})

test('whoever is refused once is refused each time', async () => {
  expect(await ended('well', denied, 'well')).toEqual({ stopped: { actions: 1, message: 'not you' }, failed: ['1'] })
})

test.each([[lost], [lost, lost, lost, lost], [denied, 'well']] as const)(
  'without any answer there is no report: %j',
  async (...ends) => {
    await expect(ended(...ends)).rejects.toBe(ends[0])
  },
)

test('a fault of ours is no answer about an action', async () => {
  const fault = new TypeError('x is not a function')
  await expect(ended('well', fault, 'well')).rejects.toBe(fault)
  expect((await ended('well', new Failure('corrupt', 'other bytes'))).stopped).toBeUndefined()
})
