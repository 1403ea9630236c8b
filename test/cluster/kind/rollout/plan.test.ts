import { chmod, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readAccessFiles } from '../../../../src/cluster/kind/rollout/access-files.ts'
import {
  assertAdmits,
  forget,
  newWork,
  plan,
  requestedDeployment,
  settingsStep,
} from '../../../../src/cluster/kind/rollout/plan.ts'
import { readKindMemory } from '../../../../src/cluster/kind/state.ts'
import type { DeployOptions } from '../../../../src/cluster/options.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../../src/wire/tls/own-certificates.ts'
import { testFolder } from '../../../fixture/folder.ts'
import { kindWorld } from '../world.ts'

const images = { server: 's@sha256:1', worker: 'w@sha256:2' }

async function configFile(text: string): Promise<string> {
  const file = join(await testFolder(), 'deployment.yaml')
  await writeFile(file, text)
  return file
}

/** Plans a deployment of these options on a cluster where one with three workers was deployed before. */
async function planned(options: DeployOptions) {
  const world = await kindWorld(() => [])
  await world.remember({ deployment: { workers: 3, properties: { pool: 'a' } } })
  const before = await readKindMemory(world.context.paths)
  const work = { ...newWork(), images }
  await settingsStep(world.context, options, work).run(world.report)
  const request = await plan(world.context, work)
  return { world, work, request, before, after: await readKindMemory(world.context.paths) }
}

describe('the plan of a deployment', () => {
  test('keeps what an earlier one asked for, and adds to it', async () => {
    const { request, after } = await planned({ slots: 2, properties: [{ name: 'os', value: 'b' }] })
    expect(request.deployment).toEqual({ workers: 3, slots: 2, properties: { pool: 'a', os: 'b' } })
    expect(request).toMatchObject({ namespace: 'n', images, profile: 'envoy', release: '1', published: false })
    expect(after).toMatchObject({ deployment: request.deployment, images })
  })

  test('starts from the defaults with a configuration file, on which flags lie', async () => {
    const { request } = await planned({ configFile: await configFile('slots: 4\nworkers: 2\n'), workers: 1 })
    expect(request.deployment).toEqual({ slots: 4, workers: 1 })
  })

  test('is made once, and what was remembered before comes back when a step fails', async () => {
    const { world, work, request, before } = await planned({ workers: 9 })
    expect(await plan(world.context, work)).toBe(request)
    await forget(world.context, work)
    expect(await readKindMemory(world.context.paths)).toEqual(before)
  })

  test('refuses what only processes can be, at its place in the file', async () => {
    const file = await configFile('private: true\n')
    await expect(requestedDeployment({ configFile: file })).rejects.toMatchObject({
      kind: 'invalid',
      where: `${file}: private`,
    })
    const other = await configFile('sandbox: on\n')
    await expect(requestedDeployment({ configFile: other })).rejects.toMatchObject({
      kind: 'unimplemented',
      where: `${other}: sandbox`,
    })
    const image = await configFile('worker_image: docker://debian:13\n')
    await expect(requestedDeployment({ configFile: image })).rejects.toMatchObject({ where: `${image}: worker_image` })
    await expect(requestedDeployment({ workerImage: 'debian:13' })).rejects.toMatchObject({ where: '--worker-image' })
  })

  test.each([
    ['listen: 0.0.0.0', 'listen', 'invalid'],
    ['insecure: true', 'insecure', 'invalid'],
    ['tls_hosts: [build.example.com]', 'tls_hosts', 'unimplemented'],
    ['tls: { cert: a.pem, key: a.key }', 'tls.cert', 'unimplemented'],
    ['tls: { cert: a.pem, key: a.key, client_ca: a.pem }', 'tls.cert', 'unimplemented'],
    [
      'access: { jwt: [{ issuer: i, audience: a, jwks: https://a.example.com, grants: [{ role: reader }] }] }',
      'access.jwt',
      'unimplemented',
    ],
  ])('refuses what the Gateways do not do, at its place in the file: %s', async (text, key, kind) => {
    const file = await configFile(`${text}\n`)
    await expect(requestedDeployment({ configFile: file })).rejects.toMatchObject({ kind, where: `${file}: ${key}` })
  })

  test('takes client certificates, of an authority that is there, with roles by their names', async () => {
    const { ca } = ownCertificates(await testFolder())
    await ensureOwnCertificates(dirname(ca), [])
    const near = relative(process.cwd(), ca)
    const certificates = "[{ san: '*.ci.example.com', role: runner }]"
    const file = await configFile(`tls: { client_ca: ${near} }\naccess: { certificates: ${certificates} }\n`)
    const { request } = await planned({ configFile: file })
    expect(request.deployment).toMatchObject({
      tls: { client_ca: ca },
      access: { certificates: [{ san: '*.ci.example.com', role: 'runner' }] },
    })
    expect((await planned({ tlsClientCa: ca })).request.deployment).toMatchObject({ tls: { client_ca: ca } })
    await expect(planned({ tlsClientCa: `${ca}.not` })).rejects.toMatchObject({ where: `${ca}.not` })
    for (const only of ['operations', 'application'] as const)
      await expect(planned({ tlsClientCa: ca, only })).rejects.toMatchObject({ kind: 'precondition', where: '--only' })
  })

  test('takes passwords, and keys of issuers that are in files, once they are there', async () => {
    const folder = await testFolder()
    const [users, keys] = [join(folder, 'users'), join(folder, 'keys.json')]
    const jwt = `[{ issuer: i, audience: a, jwks: ${keys}, grants: [{ role: reader }] }]`
    const file = await configFile(`access: { htpasswd: ${users}, jwt: ${jwt} }\n`)
    await writeFile(keys, '{"keys":[]}')
    await expect(planned({ configFile: file })).rejects.toMatchObject({ kind: 'not-found', where: users })
    await writeFile(users, 'alice:{SHA}x\n', { mode: 0o644 })
    await expect(planned({ configFile: file })).rejects.toMatchObject({ kind: 'denied', where: users })
    await chmod(users, 0o600)
    const { request } = await planned({ configFile: file })
    expect(await readAccessFiles(request.deployment)).toEqual({
      htpasswd: 'alice:{SHA}x\n',
      'jwks-0.json': '{"keys":[]}',
    })
  })

  test('refuses roles of certificates that nobody is asked for, and certificates behind Gateways of cilium', async () => {
    const file = await configFile('tls: auto\naccess: { certificates: [{ san: a.example.com, role: reader }] }\n')
    await expect(planned({ configFile: file })).rejects.toMatchObject({ kind: 'invalid', where: 'access.certificates' })
    const tls = { client_ca: '/ca.pem' }
    await expect(assertAdmits({ tls }, 'cilium')).rejects.toMatchObject({
      kind: 'unimplemented',
      where: '--tls-client-ca',
    })
    await expect(assertAdmits({ tls }, 'cilium', 'd.yaml')).rejects.toMatchObject({ where: 'd.yaml: tls.client_ca' })
    await assertAdmits({ tls: 'auto', access: 'team' }, 'cilium')
  })

  test('takes TLS and tokens, from a file and from flags', async () => {
    const file = await configFile('tls: auto\naccess: team\n')
    expect(await requestedDeployment({ configFile: file })).toEqual({ tls: 'auto', access: 'team' })
    expect(await requestedDeployment({ tls: 'auto', access: 'team' })).toEqual({ tls: 'auto', access: 'team' })
  })
})
