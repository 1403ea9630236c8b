import type { ImageConfig } from '../config.ts'
import type { ImageDefinition } from '../definition.ts'
import { serializeManifest } from '../manifest.ts'
import { ociConfig } from '../media-types.ts'
import type { Platform } from '../platform.ts'
import { sortedByKey } from '../tag.ts'
import type { Layer } from './layer.ts'

/** Facts that become labels (image-spec, "Pre-Defined Annotation Keys"). */
export interface Provenance {
  readonly revision: string | null
  readonly version: string | null
  readonly source: string | null
  readonly baseName: string | null
  readonly baseDigest: string | null
}

/** The labels of an image; the definition's own take precedence. */
export function labelsOf(definition: ImageDefinition, facts: Provenance): Record<string, string> {
  const keys: [string, string | null][] = [
    ['revision', facts.revision],
    ['version', facts.version],
    ['source', facts.source],
    ['base.name', facts.baseName],
    ['base.digest', facts.baseDigest],
  ]
  const known = keys.flatMap(([key, value]) =>
    value === null ? [] : [[`org.opencontainers.image.${key}`, value] as const],
  )
  return sortedByKey({ ...Object.fromEntries(known), ...definition.labels })
}

/**
 * The image's config: the base's runtime settings, overridden by the definition, and our layers on top of the base's.
 * @param createdSeconds since 1970
 */
export function imageConfig(
  definition: ImageDefinition,
  platform: Platform,
  base: ImageConfig | null,
  layers: readonly Layer[],
  labels: Readonly<Record<string, string>>,
  createdSeconds: number,
): { bytes: Uint8Array; mediaType: string; digest: `sha256:${string}` | `sha512:${string}` } {
  const created = new Date(createdSeconds * 1000).toISOString().replace('.000Z', 'Z')
  const document = {
    created,
    architecture: platform.architecture,
    variant: platform.variant,
    os: platform.os,
    config: said({ ...base?.config, ...ownConfig(definition, base?.config ?? {}, labels) }),
    rootfs: { type: 'layers', diff_ids: [...(base?.rootfs.diff_ids ?? []), ...layers.map((each) => each.diffId)] },
    history: [
      ...(base?.history ?? []),
      ...layers.map((each) => ({ created, created_by: 'native image copy', comment: each.comment })),
    ],
  }
  return serializeManifest(document, ociConfig)
}

function ownConfig(
  definition: ImageDefinition,
  inherited: NonNullable<ImageConfig['config']>,
  labels: Readonly<Record<string, string>>,
) {
  return {
    User: definition.user ?? inherited.User,
    Env: environment(inherited.Env ?? [], definition.environment),
    Entrypoint: definition.entrypoint ?? inherited.Entrypoint,
    // Our entry point makes the base's arguments meaningless, as in a Dockerfile.
    Cmd: definition.command ?? (definition.entrypoint ? undefined : inherited.Cmd),
    WorkingDir: definition.workdir ?? inherited.WorkingDir,
    Labels: sortedByKey({ ...inherited.Labels, ...labels }),
    // Only for those who build on the base with a Dockerfile.
    OnBuild: undefined,
  }
}

/** Without empty fields: docker writes every field that it knows. */
function said(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== ''))
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function environment(base: readonly string[], own: Readonly<Record<string, string>>): string[] {
  const names = new Set(Object.keys(own))
  const kept = base.filter((each) => !names.has(each.split('=', 1)[0] ?? ''))
  const hasPath = [...kept, ...Object.keys(own).map((each) => `${each}=`)].some((each) => each.startsWith('PATH='))
  return [
    ...(hasPath ? [] : [path]),
    ...kept,
    ...Object.entries(sortedByKey(own)).map(([key, value]) => `${key}=${value}`),
  ]
}
