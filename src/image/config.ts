import { z } from 'zod'
import { contentDigestSchema } from './content-digest.ts'
import { isNothing, listOf, maybe, text, texts } from './go-json.ts'
import { checked, layersMax, parseJson } from './manifest.ts'

/** Bytes of an image config that we read. */
export const configBytesMax = 4 * 1024 * 1024

const textMax = configBytesMax
const rootfs = z.looseObject({
  type: z.preprocess((value) => (isNothing(value) ? 'layers' : value), z.literal('layers')),
  diff_ids: listOf(contentDigestSchema, layersMax),
})
const schema = z.looseObject({
  os: text(128),
  architecture: text(128),
  variant: maybe(z.string().max(128)),
  created: maybe(z.string().max(64)),
  config: maybe(
    z.looseObject({
      Env: maybe(z.array(text(textMax)).max(4096)),
      Entrypoint: maybe(z.array(text(textMax)).max(1024)),
      Cmd: maybe(z.array(text(textMax)).max(1024)),
      User: maybe(z.string().max(256)),
      WorkingDir: maybe(z.string().max(4096)),
      Labels: texts(textMax),
    }),
  ),
  // In an image from scratch without layers this is empty or missing.
  rootfs: z.preprocess((value) => value ?? {}, rootfs),
  history: maybe(
    z.array(z.preprocess((value) => value ?? {}, z.looseObject({ empty_layer: maybe(z.boolean()) }))).max(16_384),
  ),
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
