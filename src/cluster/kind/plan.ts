import { type Deployment, deploymentConfig } from '../../config/deployment.ts'
import { loadConfig } from '../../config/load.ts'
import { Failure } from '../../core/failure.ts'
import type { DeployOptions, Step } from '../driver.ts'
import { type Applied, readObject } from '../kubernetes/apply.ts'
import type { Kubernetes } from '../kubernetes/connect.ts'
import { type Manifests, manifestsOf } from '../manifest/layout.ts'
import type { KubeObject, ObjectFile } from '../manifest/object.ts'
import type { Images, ManifestRequest } from '../manifest/request.ts'
import { fromOptions, layered } from '../process/settings.ts'
import type { KindContext } from './context.ts'
import { type KindMemory, readKindMemory, writeKindMemory } from './state.ts'
import { namespaceOf } from './up.ts'

/** What the steps of one deployment know together. */
export interface Work {
  asked: Deployment
  /** The settings are a file's: what an earlier deployment asked for is forgotten. */
  whole: boolean
  /** Set by the steps that build or find them. */
  images?: Images
  manifests: Manifests | undefined
  /** What was remembered before; undefined until that is known. */
  before: KindMemory | undefined
  /** Objects of the application that this deployment has touched. */
  readonly applied: Applied[]
}

export function newWork(): Work {
  return { asked: {}, whole: false, manifests: undefined, before: undefined, applied: [] }
}

export function settingsStep(options: DeployOptions, work: Work): Step {
  return {
    title: 'Settings',
    async run({ say }) {
      const file = options.configFile
      work.whole = file !== undefined
      work.asked = await askedOf(options)
      say(file ?? 'none but the flags')
    },
  }
}

/** @throws Failure as loadConfig does */
export async function askedOf(options: DeployOptions): Promise<Deployment> {
  const file = options.configFile
  return layered(file === undefined ? {} : await loadConfig(file, deploymentConfig), fromOptions(options))
}

/** The objects of this deployment, once; from then on it is what is remembered. */
export async function plan(context: KindContext, work: Work): Promise<Manifests> {
  if (work.manifests) return work.manifests
  const memory = await readKindMemory(context.paths)
  const { images } = work
  if (!memory || !images) throw new Failure('internal', 'a deployment is planned before there are images for it')
  const deployment = layered(work.whole ? {} : (memory.deployment ?? {}), work.asked)
  const manifests = manifestsOf(requestOf(context, memory, deployment, images))
  work.before = memory
  work.manifests = manifests
  await writeKindMemory(context.paths, { ...memory, deployment, images })
  return manifests
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

/** Without claims that are there: one cannot shrink, and most cannot grow. */
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
