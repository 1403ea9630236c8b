import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { openCalled } from '../../src/wire/tls/called.ts'
import { ensureOwnCertificates, ownCertificates } from '../../src/wire/tls/own-certificates.ts'
import { testFolder } from '../fixture/folder.ts'

async function trusted() {
  const folder = join(await testFolder(), 'tls')
  await ensureOwnCertificates(folder, ['127.0.0.1'])
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  return { url: 'grpcs://127.0.0.1:1', tls: { ca: ownCertificates(folder).ca } }
}

test('the files of a channel are looked at until it is closed', async () => {
  const channel = await openCalled(await trusted(), openDirectChannel, () => undefined)
  expect(vi.getTimerCount()).toBe(1)
  channel.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('nor are they when no channel is opened', async () => {
  const target = { ...(await trusted()), url: 'what is this' }
  await expect(openCalled(target, openDirectChannel, () => undefined)).rejects.toMatchObject({ kind: 'invalid' })
  expect(vi.getTimerCount()).toBe(0)
})
