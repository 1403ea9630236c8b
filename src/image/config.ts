import { z } from 'zod'
import { contentDigestSchema } from './content-digest.ts'
import { checked, layersMax, parseJson } from './manifest.ts'

/** Bytes of an image config that we read. */
export const configBytesMax = 4 * 1024 * 1024

const schema = z.looseObject({
  os: z.string().max(128),
  architecture: z.string().max(128),
  variant: z.string().max(128).optional(),
  created: z.string().max(64).optional(),
  config: z
    .looseObject({
      Env: z.array(z.string()).max(4096).nullish(),
      Entrypoint: z.array(z.string()).max(1024).nullish(),
      Cmd: z.array(z.string()).max(1024).nullish(),
      User: z.string().max(256).nullish(),
      WorkingDir: z.string().max(4096).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(contentDigestSchema).max(layersMax) }),
  history: z
    .array(z.looseObject({ empty_layer: z.boolean().optional() }))
    .max(16_384)
    .nullish(),
})

/** What an image's config says (image-spec, config.md); unknown fields are kept. */
export type ImageConfig = z.output<typeof schema>

/**
 * Parses an image config.
 * @throws Failure 'invalid'
 */
export function parseConfig(bytes: Uint8Array, where: string): ImageConfig {
  return checked(schema, parseJson(bytes, 'the image config', where), 'the image config', where)
}
