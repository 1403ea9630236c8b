import { z } from 'zod'
import { parseConfig } from '../config/parse.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { contentDigestSchema } from './content-digest.ts'
import { parseImageName } from './name.ts'
import { type Platform, parsePlatform, platformText, samePlatform } from './platform.ts'

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/
const platform = z.string().transform(parsed(parsePlatform))
const inside = z
  .string()
  .max(4096)
  .refine((path) => isPlain(path.split('/')), 'expected a path inside, without ., .. or extra slashes')
const absolute = z
  .string()
  .max(4096)
  .refine(
    (path) => path === '/' || (path.startsWith('/') && isPlain(path.slice(1).split('/'))),
    'expected an absolute path, without ., .. or extra slashes',
  )

/** A YAML file under templates/images, or a user's own. */
const definitionSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, 'expected lower-case letters, digits, . _ -'),
  base: z.union(
    [
      z.literal('scratch'),
      z.strictObject({
        /** `host/path:tag`; the tag is where `native image lock` looks. */
        image: z.string().transform(parsed(parseImageName)),
        digest: contentDigestSchema,
      }),
    ],
    { error: 'expected "scratch", or a map of image (host/name:tag) and digest (`native image lock` writes it)' },
  ),
  platforms: z.array(platform).min(1).max(32).refine(areDifferent, 'a platform is listed more than once'),
  /** The Node that runs the program: official binaries out of npm packages, pinned. */
  node: z
    .strictObject({
      version: z.string().regex(/^\d+\.\d+\.\d+$/, 'expected a version like 24.21.0'),
      packages: z.record(
        z.string(),
        z.strictObject({
          name: z.string().regex(/^[a-z0-9-]+$/),
          integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/, "expected npm's sha512-..."),
        }),
      ),
    })
    .optional(),
  /** Where the built program goes; if absent, the image does not contain it. */
  program: absolute.optional(),
  /** Files and folders beside the definition, and where they go. */
  files: z
    .array(z.strictObject({ from: inside, to: absolute, executable: z.boolean().optional() }))
    .max(1000)
    .default([]),
  environment: z.record(z.string().regex(variableName, 'expected a variable name'), z.string()).default({}),
  entrypoint: z.array(z.string().min(1)).max(1000).optional(),
  command: z.array(z.string()).max(1000).optional(),
  user: z.string().max(256).optional(),
  workdir: absolute.optional(),
  labels: z.record(z.string().min(1).max(1024), z.string()).default({}),
})

export type ImageDefinition = z.output<typeof definitionSchema>

/** Where built-in definitions stand in a checkout and in the package. */
export const definitionFolder = 'templates/images'

/**
 * Parses an image definition.
 * @throws Failure 'invalid' with file:line:column of every problem
 */
export function parseDefinition(text: string, file: string): ImageDefinition {
  return parseConfig(text, file, definitionSchema)
}

/**
 * The file of a built-in definition.
 * @throws Failure 'invalid' for what cannot be a name
 */
export function builtInFile(image: string): string {
  if (/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(image)) return `${definitionFolder}/${image}.yaml`
  throw new Failure('invalid', `"${image.slice(0, 100)}" cannot be the name of an image`, { where: '--image' })
}

/** The images that files of the definitions' folder define. */
export function imageNames(files: readonly string[]): string[] {
  const own = files.filter((each) => each.endsWith('.yaml') && !each.includes('/'))
  return own.map((each) => each.slice(0, -'.yaml'.length)).sort()
}

/** @param there names of the images that are defined */
export function noImage(image: string, there: readonly string[], cause?: unknown): Failure {
  return new Failure('not-found', `no image "${image}" is defined here`, {
    where: builtInFile(image),
    next: [
      there.length > 0
        ? `There are: ${there.join(', ')}.`
        : 'The sources define no images of native; give your own definition with --definition FILE.',
    ],
    cause,
  })
}

/**
 * A platform as the definition calls it: linux/arm64/v8 is its linux/arm64.
 * @throws Failure 'invalid' when it is not defined
 */
export function definedPlatform(definition: ImageDefinition, platform: Platform): Platform {
  const found = definition.platforms.find((each) => samePlatform(each, platform))
  if (found) return found
  throw new Failure('invalid', `the image ${definition.name} is not defined for ${platformText(platform)}`, {
    where: '--platform',
    next: [`It is defined for ${definition.platforms.map(platformText).join(', ')}.`],
  })
}

function areDifferent(platforms: readonly Platform[]): boolean {
  return platforms.every((each, at) => platforms.findIndex((other) => samePlatform(other, each)) === at)
}

/** A tar entry whose name ends with a slash is a folder, whatever its type says; the others are two names of one place. */
function isPlain(parts: readonly string[]): boolean {
  return parts.every((each) => each !== '' && each !== '.' && each !== '..' && !each.includes('\0'))
}

function parsed<T>(parse: (text: string) => T) {
  return (value: string, context: z.RefinementCtx): T => {
    try {
      return parse(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
      return z.NEVER
    }
  }
}
