import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ownFolder } from '../../../src/cluster/process/door.ts'
import { meetingPlace } from '../../../src/cluster/process/invite.ts'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { writeMemory } from '../../../src/cluster/process/state.ts'
import { deploymentConfig } from '../../../src/config/deployment.ts'
import { ensureOwnCertificates } from '../../../src/wire/tls/own-certificates.ts'
import { makeAuthority } from '../../fixture/certificates.ts'
import { testFolder } from '../../fixture/folder.ts'

async function emptyPlace() {
  const folder = await testFolder()
  const env = { XDG_STATE_HOME: join(folder, 'state'), XDG_DATA_HOME: join(folder, 'data') }
  const paths = clusterPaths('native', { env, home: folder, tmp: folder, uid: -1 })
  await mkdir(paths.state, { recursive: true })
  return paths
}

test('a name that clients use comes first in invitations, and one that the certificate is not for is told how to be', async () => {
  const paths = await emptyPlace()
  const deployment = deploymentConfig.parse({
    listen: '0.0.0.0',
    tls: 'auto',
    access: 'team',
    tls_hosts: ['b.example'],
  })
  await writeMemory(paths, { ports: { scheduler: 50_052 }, deployment })
  await ensureOwnCertificates(ownFolder(paths), ['0.0.0.0', 'b.example'])
  expect((await meetingPlace({ paths }, undefined)).url).toBe('grpcs://b.example:50052')
  await expect(meetingPlace({ paths }, 'c.example')).rejects.toMatchObject({
    kind: 'invalid',
    next: [
      expect.stringMatching(/^It is for localhost, 127\.0\.0\.1, .*b\.example/),
      '`native deploy --tls-host b.example --tls-host c.example` makes one that is for c.example too.',
    ],
  })
})

test('an invitation says whether the renewal of the certificate cuts off who has joined', async () => {
  const authority = await makeAuthority()
  onTestFinished(() => authority.remove())
  const paths = await emptyPlace()
  const { cert, key } = await authority.issue('server', { names: 'DNS:build.example.com' })
  const deployment = deploymentConfig.parse({ listen: '0.0.0.0', tls: { cert, key }, access: 'team' })
  await writeMemory(paths, { ports: { scheduler: 50_052 }, deployment })
  const alone = await meetingPlace({ paths }, 'build.example.com')
  expect(alone).toMatchObject({ url: 'grpcs://build.example.com:50052', fingerprintIsOwn: true })
  await appendFile(cert, await readFile(authority.ca))
  const chained = await meetingPlace({ paths }, 'build.example.com')
  expect(chained.fingerprintIsOwn).toBe(false)
  expect(chained.fingerprint).not.toBe(alone.fingerprint)
})
