import { resolve } from 'node:path'
import { assertCertificatesAsked } from '../../../config/access.ts'
import { type Deployment, deploymentConfig } from '../../../config/deployment.ts'
import { loadConfig } from '../../../config/load.ts'
import { Failure } from '../../../core/failure.ts'
import { loadAuthorities } from '../../../wire/tls/server-tls.ts'
import type { Refusal } from '../../declaration.ts'
import type { Step } from '../../driver.ts'
import { type Applied, readObject } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { keyUrlsOf } from '../../manifest/access-files.ts'
import { routeKindOf } from '../../manifest/gateways.ts'
import type { KubeObject, ObjectFile } from '../../manifest/object.ts'
import type { Images, ManifestRequest } from '../../manifest/request.ts'
import type { DeployOptions, GatewayProfile } from '../../options.ts'
import { fromOptions, layered } from '../../shared/deployment-layers.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import {
  certificateRefusal,
  clientCertificatesRefusal,
  keyUrlRefusal,
  listenRefusal,
  privateRefusal,
  sandboxRefusal,
} from '../declaration.ts'
import { type KindMemory, readKindMemory, writeKindMemory } from '../state.ts'
import { readAccessFiles } from './access-files.ts'

/** The state that the steps of one deployment share. */
export interface Work {
  asked: Deployment
  /** The settings come from a file: what an earlier deployment requested is ignored. */
  whole: boolean
  /** Set by the steps that build or find them. */
  images?: Images
  request: ManifestRequest | undefined
  /** Set by the step that makes or finds the servers' Secret. */
  secretPrint?: string
  /** What was remembered before; undefined until that is known. */
  before: KindMemory | undefined
  /** Objects of the application that this deployment has touched. */
  readonly applied: Applied[]
}

export function newWork(): Work {
  return { asked: {}, whole: false, request: undefined, before: undefined, applied: [] }
}

export function settingsStep(context: KindContext, options: DeployOptions, work: Work): Step {
  return {
    title: 'Settings',
    async run({ say }) {
      const file = options.configFile
      work.whole = file !== undefined
      work.asked = await requestedDeployment(options)
      const memory = await readKindMemory(context.paths)
      const deployment = layered(work.whole ? {} : (memory?.deployment ?? {}), work.asked)
      await assertAdmits(deployment, memory?.profile ?? context.settings.profile, file)
      if (options.only !== undefined && memory?.deployment) assertSameRoutes(memory.deployment, deployment)
      say(file ?? 'no configuration file')
    },
  }
}

/** @throws Failure as loadConfig does, 'invalid' for what only processes on this machine support */
export async function requestedDeployment(options: DeployOptions): Promise<Deployment> {
  const file = options.configFile
  const asked = layered(file === undefined ? {} : await loadConfig(file, deploymentConfig), fromOptions(options))
  if (asked.private !== undefined) throw refused(privateRefusal, 'private', file)
  if (asked.sandbox !== undefined) throw refused(sandboxRefusal, 'sandbox', file)
  if (options.workerImage !== undefined && options.image === undefined)
    throw new Failure(
      'invalid',
      'the workers of a kind cluster have a published image only where its servers have one',
      {
        where: '--worker-image',
        next: ['Give --image as well, or build on another base with --worker-base.'],
      },
    )
  if (asked.worker_image !== undefined)
    throw new Failure('invalid', 'actions in pods run in the image of their worker', {
      ...(file !== undefined && { where: `${file}: worker_image` }),
      next: ['Leave it out, and give the image of the workers with --image and --worker-image.'],
    })
  for (const key of ['listen', 'insecure'] as const)
    if (asked[key] !== undefined) throw refused(listenRefusal, key, file)
  if (asked.tls_hosts !== undefined) throw refused(certificateRefusal, 'tls_hosts', file)
  const { tls } = asked
  if (typeof tls === 'object' && tls.cert !== undefined) throw refused(certificateRefusal, 'tls.cert', file)
  if (keyUrlsOf(asked).length > 0) throw refused(keyUrlRefusal, 'access.jwt', file)
  if (typeof tls !== 'object' || tls.client_ca === undefined) return asked
  // It is read again at each deployment, whatever the folder of that is.
  return { ...asked, tls: { ...tls, client_ca: resolve(tls.client_ca) } }
}

/**
 * Are clients admitted as the whole deployment says?
 * @throws Failure 'unimplemented' where the Gateways cannot, 'invalid' for roles of certificates that nobody shows, and
 *   as loadAuthorities and readAccessFiles do
 */
export async function assertAdmits(deployment: Deployment, profile: GatewayProfile, file?: string): Promise<void> {
  assertCertificatesAsked(deployment)
  await readAccessFiles(deployment)
  const { tls } = deployment
  if (typeof tls !== 'object' || tls.client_ca === undefined) return
  if (profile === 'cilium')
    throw refused(clientCertificatesRefusal, file === undefined ? '--tls-client-ca' : 'tls.client_ca', file)
  await loadAuthorities(tls.client_ca)
}

/** Servers that speak TLS behind a Gateway that does so too, or neither of them: both have to change at once. */
function assertSameRoutes(before: Deployment, deployment: Deployment): void {
  if (routeKindOf(before) === routeKindOf(deployment)) return
  throw new Failure('precondition', 'whether clients show certificates concerns both the Gateways and the servers', {
    where: '--only',
    next: ['Leave it out, to deploy both.'],
  })
}

/** @param where a flag, or a setting of the file */
export function refused({ kind = 'invalid', message, next }: Refusal, where: string, file?: string): Failure {
  return new Failure(kind, message, {
    where: file === undefined ? where : `${file}: ${where}`,
    next: next ?? ['Leave it out: it is for servers that are processes of this machine.'],
  })
}

/** Computes once what the deployment's objects are derived from; from then on that is what is remembered. */
export async function plan(context: KindContext, work: Work): Promise<ManifestRequest> {
  if (work.request) return work.request
  const memory = await readKindMemory(context.paths)
  const { images } = work
  if (!memory || !images) throw new Failure('internal', 'a deployment is planned before there are images for it')
  const deployment = layered(work.whole ? {} : (memory.deployment ?? {}), work.asked)
  const request = requestOf(context, memory, deployment, images)
  work.before = memory
  work.request = request
  await writeKindMemory(context.paths, { ...memory, deployment, images })
  return request
}

/** Remembers what was remembered before. */
export async function forget(context: KindContext, { before }: Work): Promise<void> {
  if (before) await writeKindMemory(context.paths, before)
}

export function requestOf(
  context: KindContext,
  memory: KindMemory,
  deployment: Deployment,
  images: Images,
): ManifestRequest {
  return {
    namespace: namespaceOf(context),
    deployment,
    machine: context.machine,
    images,
    profile: memory.profile,
    ...(memory.pool && { pool: memory.pool }),
    published: memory.published !== null,
    release: context.release,
  }
}

export function objectsOf(files: readonly ObjectFile[]): KubeObject[] {
  return files.flatMap(({ objects }) => objects)
}

/** Without existing claims: they cannot shrink, and most cannot grow. */
export async function withoutClaimsThatAreThere(
  kubernetes: Kubernetes,
  objects: readonly KubeObject[],
  signal?: AbortSignal,
): Promise<KubeObject[]> {
  const kept: KubeObject[] = []
  for (const each of objects) {
    const there = each.kind === 'PersistentVolumeClaim' && (await readObject(kubernetes, each, signal)) !== undefined
    if (!there) kept.push(each)
  }
  return kept
}
