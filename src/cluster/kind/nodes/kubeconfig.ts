import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { isThere, readIfThere, remove, removeEmpty, writeWhole } from '../../../host/files.ts'
import type { KindContext } from '../context.ts'
import { contextName, kubectlConfig } from '../docker/programs.ts'

const written = z.object({
  clusters: z
    .array(z.object({ cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }) }))
    .min(1),
  users: z
    .array(z.object({ user: z.object({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }) }))
    .min(1),
})

/**
 * Adds the cluster's context to the user's kubeconfig. The current context is left unchanged, even if there is none: a
 * command that names no cluster must not act on ours.
 */
export async function addContext(context: KindContext, namespace: string): Promise<void> {
  const { paths } = context
  const name = contextName(context)
  const { clusters, users } = written.parse(parse((await readIfThere(paths.kubeconfig)) ?? ''))
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user]
  if (!cluster || !user) return
  const files = {
    ca: join(paths.state, 'ca.crt'),
    certificate: join(paths.state, 'client.crt'),
    key: join(paths.state, 'client.key'),
  }
  const decoded = (text: string) => Buffer.from(text, 'base64').toString('utf8')
  await mkdir(dirname(paths.userKubeconfig), { recursive: true, mode: 0o700 })
  try {
    // In files rather than arguments, which every process on the machine can read.
    await writeWhole(files.ca, decoded(cluster['certificate-authority-data']))
    await writeWhole(files.certificate, decoded(user['client-certificate-data']))
    await writeWhole(files.key, decoded(user['client-key-data']))
    const set = (...args: string[]) => kubectlConfig(context, paths.userKubeconfig, args)
    await set('set-cluster', name, `--server=${cluster.server}`, `--certificate-authority=${files.ca}`, '--embed-certs')
    await set(
      'set-credentials',
      name,
      `--client-certificate=${files.certificate}`,
      `--client-key=${files.key}`,
      '--embed-certs',
    )
    await set('set-context', name, `--cluster=${name}`, `--user=${name}`, `--namespace=${namespace}`)
  } finally {
    for (const file of Object.values(files)) await remove(file)
  }
}

const whole = z.object({
  'current-context': z.string().optional(),
  clusters: z.array(z.object({ name: z.string() })).nullish(),
  contexts: z.array(z.object({ name: z.string() })).nullish(),
  users: z.array(z.object({ name: z.string() })).nullish(),
})

/** Removes our three entries from the user's kubeconfig, and the file if it was created for them. */
export async function removeContext(context: KindContext, madeIt: boolean): Promise<boolean> {
  const file = context.paths.userKubeconfig
  if (!(await isThere(file))) return false
  const name = contextName(context)
  const before = whole.parse(parse((await readIfThere(file)) ?? '') ?? {})
  const commands = { contexts: 'delete-context', clusters: 'delete-cluster', users: 'delete-user' } as const
  let found = false
  for (const key of ['contexts', 'clusters', 'users'] as const) {
    if (!before[key]?.some((each) => each.name === name)) continue
    found = true
    await kubectlConfig(context, file, [commands[key], name])
  }
  if (found && before['current-context'] === name) await kubectlConfig(context, file, ['unset', 'current-context'])
  if (found && madeIt) {
    const after = whole.parse(parse((await readIfThere(file)) ?? '') ?? {})
    if ([after.clusters, after.contexts, after.users].every((each) => !each || each.length === 0)) {
      await remove(file)
      await removeEmpty(dirname(file))
    }
  }
  return found
}
