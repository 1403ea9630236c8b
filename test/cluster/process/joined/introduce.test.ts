import { expect, test } from 'vitest'
import { meetScheduler } from '../../../../src/cluster/process/joined/introduce.ts'
import { served } from './served.ts'

const signal = () => AbortSignal.timeout(30_000)

test('the cache is called at the port that the scheduler tells, on the host by which the scheduler was called', async () => {
  const cache = await served('')
  const { url, tls, ...caller } = await served(cache.url.replace('127.0.0.1', 'localhost'), cache.folder)
  expect(await meetScheduler({ ...caller, url, tls }, signal())).toMatchObject({ cas: cache.url })
})

test.each([
  ['nobody answers there', 'grpcs://127.0.0.1:1'],
  ['the scheduler tells none', ''],
  ['it is a socket, which is of no use elsewhere', 'unix:/run/cas.sock'],
  ['it speaks no TLS, where a token could be read', 'grpc://127.0.0.1:1'],
])('the scheduler passes calls for the cache on where %s', async (_, casUrl) => {
  const caller = await served(casUrl)
  expect(await meetScheduler(caller, signal())).toEqual({ cas: caller.url, version: '1.0.0', token: caller.token })
})
