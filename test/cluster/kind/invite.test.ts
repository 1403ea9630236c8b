import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { meetingPlace } from '../../../src/cluster/kind/invite.ts'
import { fingerprintOf } from '../../../src/wire/tls/fingerprint.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../src/wire/tls/own-certificates.ts'
import { kindWorld } from './world.ts'

const pool = { cidr: '172.20.255.0/28', cache: '172.20.255.4', scheduler: '172.20.255.5' }

test('machines find the scheduler at its Gateway, and know it by its authority', async () => {
  const { context, remember } = await kindWorld(() => [])
  await remember({ pool, deployment: { tls: 'auto', access: 'team' } })
  await ensureOwnCertificates(context.paths.tls, [pool.cache, pool.scheduler])
  const authority = new X509Certificate(await readFile(ownCertificates(context.paths.tls).ca))
  expect(await meetingPlace(context, undefined)).toEqual({
    url: 'grpcs://172.20.255.5:443',
    fingerprint: fingerprintOf(authority),
    fingerprintIsOwn: false,
    exchanges: false,
    asksCertificate: false,
    otherHosts: [],
  })
  await expect(meetingPlace(context, 'build.example.com')).rejects.toMatchObject({ kind: 'invalid', where: '--host' })
})

test('machines are told that they need a certificate where clients need one', async () => {
  const { context, remember } = await kindWorld(() => [])
  await remember({ pool, deployment: { tls: { client_ca: '/ca.pem' }, access: 'team' } })
  await ensureOwnCertificates(context.paths.tls, [pool.cache, pool.scheduler])
  expect(await meetingPlace(context, undefined)).toMatchObject({ asksCertificate: true })
})

test('nobody is invited where nothing is deployed, without TLS, or without tokens', async () => {
  const { context, remember } = await kindWorld(() => [])
  await expect(meetingPlace(context, undefined)).rejects.toMatchObject({ kind: 'not-found' })
  await remember({ pool, deployment: { access: 'team' } })
  await expect(meetingPlace(context, undefined)).rejects.toThrow('no TLS')
  await remember({ pool, deployment: { tls: 'auto' } })
  await expect(meetingPlace(context, undefined)).rejects.toThrow('asks nobody for a token')
})
