import { X509Certificate } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { certificateProblems } from '../../../../src/cluster/kind/rollout/certificate.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../../src/wire/tls/own-certificates.ts'
import { manualClock } from '../../../fixture/manual-clock.ts'
import { kindWorld } from '../world.ts'

const msPerDay = 86_400_000

test('that the certificate of the Gateways has to be renewed is said three weeks before it expires, and after that', async () => {
  const { context } = await kindWorld(() => [])
  const { paths } = context
  await ensureOwnCertificates(paths.tls, ['172.20.255.4'])
  const { cert } = ownCertificates(paths.tls).server
  const until = new X509Certificate(await readFile(cert)).validToDate
  const daysBefore = (days: number) =>
    certificateProblems({ paths, clock: manualClock(until.getTime() - days * msPerDay) }, { tls: 'auto' })
  expect(await daysBefore(22)).toEqual([])
  const due = `the certificate of the Gateways expires at ${until.toISOString()}; \`native deploy\` renews it`
  expect([await daysBefore(20), await daysBefore(1)]).toEqual([[due], [due]])
  const past = `the certificate of the Gateways expired at ${until.toISOString()}; \`native deploy\` renews it`
  expect(await daysBefore(-1)).toEqual([past])
  const { client } = ownCertificates(paths.tls)
  const servers = { tls: { client_ca: '/ca.pem' } }
  const clock = manualClock(until.getTime() - 22 * msPerDay)
  expect(await certificateProblems({ paths, clock: manualClock(until.getTime() + msPerDay) }, {})).toEqual([])
  await rm(client.cert)
  expect(await certificateProblems({ paths, clock }, servers)).toEqual([
    expect.stringContaining('the certificate of the servers is not there'),
  ])
  await rm(cert)
  expect(await daysBefore(22)).toEqual([expect.stringContaining('`native deploy` makes another')])
})
