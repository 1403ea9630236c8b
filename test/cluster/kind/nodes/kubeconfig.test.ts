import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { addContext, removeContext } from '../../../../src/cluster/kind/nodes/kubeconfig.ts'
import type { KindPaths } from '../../../../src/cluster/kind/paths.ts'
import { kindWorld } from '../world.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const config = { call: 'kubectl config' } as const

/** Of a user with these contexts, and a cluster and a user of the same name for each. */
async function usersConfig({ userKubeconfig }: KindPaths, names: readonly string[], current: string) {
  const entries = names.map((name) => ({ name }))
  await mkdir(dirname(userKubeconfig), { recursive: true })
  await writeFile(
    userKubeconfig,
    stringify({ 'current-context': current, contexts: entries, clusters: entries, users: entries }),
  )
}

test('the context is added by kubectl, with keys out of files and not out of arguments', async () => {
  const { context, calls } = await kindWorld(() => [config])
  const { paths } = context
  const cluster = { server: 'https://127.0.0.1:1', 'certificate-authority-data': base64('authority') }
  const user = { 'client-certificate-data': base64('certificate'), 'client-key-data': base64('private') }
  await writeFile(paths.kubeconfig, stringify({ clusters: [{ cluster }], users: [{ user }] }))
  await addContext(context, 'n')
  const told = await calls()
  expect(told).toHaveLength(3)
  expect(told.join()).not.toContain('private')
  expect(told[1]).toContain(`--client-key=${paths.state}/client.key --embed-certs`)
  expect(told[2]).toContain('set-context kind-n --cluster=kind-n --user=kind-n --namespace=n')
  expect(told.some((line) => line.includes('use-context'))).toBe(false)
  // They were there for kubectl alone.
  await expect(readFile(`${paths.state}/client.key`)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('only our three entries are taken out, and the current context where it was ours', async () => {
  const { context, calls } = await kindWorld(() => [config])
  await usersConfig(context.paths, ['other', 'kind-n'], 'kind-n')
  expect(await removeContext(context, false)).toBe(true)
  expect((await calls()).map((line) => line.trim().split(' ').slice(4).join(' '))).toEqual([
    'delete-context kind-n',
    'delete-cluster kind-n',
    'delete-user kind-n',
    'unset current-context',
  ])
})

test.each([
  ['a user who has no kubeconfig', undefined],
  ['a kubeconfig without ours', ['other']],
])('nothing is changed for %s', async (_, names) => {
  const { context, calls } = await kindWorld(() => [])
  if (names) await usersConfig(context.paths, names, 'other')
  expect(await removeContext(context, true)).toBe(false)
  expect(await calls()).toEqual([])
})
