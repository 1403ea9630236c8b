import type { Deployment } from '../../../config/deployment.ts'
import { Failure } from '../../../core/failure.ts'
import { readIfThere } from '../../../host/files.ts'
import { readPrivate } from '../../../host/private-file.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { type AccessFile, accessFilesOf } from '../../manifest/access-files.ts'
import { accessFilesSecretOf } from '../../manifest/client-secrets.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { tellPods } from './told.ts'

/** All of them are in one Secret, of which Kubernetes takes no larger one. */
const fileBytesMax = 512 * 1024

/**
 * The files with passwords and with issuers' keys that a deployment names.
 * @throws Failure 'not-found', or 'denied' for passwords that everybody can read
 */
export async function readAccessFiles(deployment: Deployment): Promise<Record<string, string>> {
  const texts = accessFilesOf(deployment).map(async (each) => [each.key, await textOf(each)] as const)
  return Object.fromEntries(await Promise.all(texts))
}

async function textOf({ file, isSecret }: AccessFile): Promise<string> {
  const text = isSecret ? await readPrivate(file, 'the htpasswd file', fileBytesMax) : await readIfThere(file)
  if (text !== undefined) return text
  throw new Failure('not-found', 'the file that says who has access does not exist', { where: file })
}

/** Gives the cluster what is in them now, and its servers soon; nothing where there are none. */
export async function sendAccessFiles(
  context: Pick<KindContext, 'paths' | 'clock'>,
  kubernetes: Kubernetes,
  deployment: Deployment,
  signal?: AbortSignal,
): Promise<void> {
  const texts = await readAccessFiles(deployment)
  if (Object.keys(texts).length === 0) return
  const secret = accessFilesSecretOf({ namespace: namespaceOf(context) }, texts)
  await applyObjects(kubernetes, [secret], signal ? { signal } : {})
  const servers = ['cas', 'scheduler', 'console'] as const
  await tellPods(context, kubernetes, { annotation: 'native/access', text: JSON.stringify(texts), servers }, signal)
}
