import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { loadConfig } from '../config/load.ts'
import { readPublicKey } from './key-file.ts'
import { anchored, type Requirement, type SignerRule, type TextRule } from './policy.ts'
import { workflowClaims } from './workflow.ts'

/** Maximum number of signers in a policy. */
const signersMax = 64
const tagText = '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}'
const tagPlace = '{tag}'

const text = z.string().min(1).max(4096)
const time = z.iso.datetime({ offset: true, error: 'expected a time like 2027-01-31T00:00:00Z' })
const identity = z
  .strictObject({
    identity: text.optional(),
    identityRegexp: text.optional(),
    issuer: text.optional(),
    issuerRegexp: text.optional(),
    workflow: z.partialRecord(z.enum(workflowClaims), text).default({}),
  })
  .refine((each) => (each.identity === undefined) !== (each.identityRegexp === undefined), {
    error: 'expected either identity or identityRegexp',
  })
  .refine((each) => (each.issuer === undefined) !== (each.issuerRegexp === undefined), {
    error: 'expected either issuer or issuerRegexp: an identity needs the issuer that vouches for it',
  })
const key = z.strictObject({ key: text, validFrom: time.optional(), validUntil: time.optional() })
/** A pattern for repositories: a colon after the host would begin a tag, and never match. */
const pattern = text.refine((each) => !/[:@]/.test(each.slice(each.indexOf('/') + 1)), {
  error: 'expected host/repository: tags go into their own list, `tags`',
})

/** The problem with an entry that is neither kind of signer, or with its key. */
function signerProblem({
  input,
  errors,
}: {
  input?: unknown
  errors?: readonly (readonly z.core.$ZodIssue[])[]
}): string {
  const isKey = typeof input === 'object' && input !== null && 'key' in input
  const [issue] = (isKey ? errors?.[0] : undefined) ?? []
  return issue ? `${[...issue.path, issue.message].join(': ')}` : 'expected a signer: key, or identity and issuer'
}

const policy = z
  .strictObject({
    images: z.array(pattern).min(1).max(256),
    tags: z.array(text).min(1).max(256).optional(),
    signers: z
      .array(z.union([key, identity], { error: signerProblem }))
      .min(1)
      .max(signersMax),
    threshold: z.number().int().min(1).optional(),
    log: z.enum(['required', 'ignored']).default('required'),
    trustedRoot: text.optional(),
    annotations: z.record(text, z.string()).default({}),
  })
  .refine((each) => (each.threshold ?? 1) <= each.signers.length, {
    error: 'expected a threshold of at most the number of signers',
    path: ['threshold'],
  })
/** A file with trust policies. */
export const policyFileSchema = z.strictObject({ policies: z.array(policy).min(1).max(1024) })

type PolicyEntry = z.output<typeof policy> & { readonly file: string }
type SignerEntry = PolicyEntry['signers'][number]

/** An image as matched by policies. */
export interface PolicyImage {
  /** `host/repository`. */
  readonly repository: string
  readonly tag: string | undefined
}

/** A name without tag and digest means `latest`. A tag next to a digest is only what the user claims. */
export function policyImageOf(name: {
  readonly registry: string
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: string | undefined
}): PolicyImage {
  const { registry, repository, tag, digest } = name
  return { repository: `${registry}/${repository}`, tag: tag ?? (digest === undefined ? 'latest' : undefined) }
}

/** The policy that applies to an image. */
export interface AppliedPolicy {
  /** The file, for people. */
  readonly file: string
  readonly signers: readonly SignerRule[]
  readonly threshold: number
  readonly logRequired: boolean
  readonly annotations: ReadonlyMap<string, string>
  /** A file, absolute. */
  readonly trustedRoot: string | undefined
}

/**
 * The first policy that matches the image, in the order of the files and within them; undefined if none does.
 * @throws Failure 'not-found' and 'invalid' for a file, also for a key that a policy names
 */
export async function findPolicy(files: readonly string[], image: PolicyImage): Promise<AppliedPolicy | undefined> {
  for (const file of files) {
    const { policies } = await loadConfig(file, policyFileSchema)
    const found = policies.find((each) => isFor(each, image))
    if (found) return applied({ ...found, file }, image)
  }
  return undefined
}

/** What a policy requires: a signature by its signers, and all that proves those. */
export function requirementOf({ signers, threshold, annotations, logRequired }: AppliedPolicy): Requirement {
  const proofs = { logRequired, sctRequired: true, timestampRequired: false }
  return { wanted: { kind: 'signature' }, signers, threshold, annotations, ...proofs }
}

function isFor({ images, tags }: z.output<typeof policy>, { repository, tag }: PolicyImage): boolean {
  if (!images.some((each) => globbed(each).test(repository))) return false
  return tags === undefined || (tag !== undefined && tags.some((each) => globbed(each).test(tag)))
}

/** `*` matches anything but a slash, `**` anything. */
function globbed(pattern: string): RegExp {
  const parts = pattern.split(/(\*+)/).map((each) => {
    if (each.startsWith('*')) return each.length > 1 ? '.*' : '[^/]*'
    return escaped(each)
  })
  return new RegExp(`^${parts.join('')}$`, 'u')
}

async function applied(entry: PolicyEntry, image: PolicyImage): Promise<AppliedPolicy> {
  const near = (path: string) => resolve(dirname(entry.file), path)
  return {
    file: entry.file,
    signers: await Promise.all(entry.signers.map((each) => ruleOf(each, near, entry.file, image.tag))),
    // All named signers by default: forgetting the line must not open the door.
    threshold: entry.threshold ?? entry.signers.length,
    logRequired: entry.log === 'required',
    annotations: new Map(Object.entries(entry.annotations)),
    trustedRoot: entry.trustedRoot === undefined ? undefined : near(entry.trustedRoot),
  }
}

async function ruleOf(
  entry: SignerEntry,
  near: (path: string) => string,
  file: string,
  tag: string | undefined,
): Promise<SignerRule> {
  if ('key' in entry) {
    return {
      ...(await readPublicKey(entry.key, near(entry.key), file)),
      kind: 'key',
      name: entry.key,
      ...(entry.validFrom === undefined ? {} : { validFrom: Date.parse(entry.validFrom) }),
      ...(entry.validUntil === undefined ? {} : { validUntil: Date.parse(entry.validUntil) }),
    }
  }
  const { identity, identityRegexp, issuer, issuerRegexp, workflow } = entry
  return {
    kind: 'identity',
    identity: identity === undefined ? anchored(identityRegexp ?? '', file) : withTag(identity, tag, file),
    issuer: issuer === undefined ? anchored(issuerRegexp ?? '', file) : { exact: issuer },
    workflow: workflow as Extract<SignerRule, { kind: 'identity' }>['workflow'],
  }
}

/**
 * `{tag}` in an identity is the requested tag: an old release under a new tag does not pass. An image requested by
 * digest has none, so any tag matches.
 */
function withTag(identity: string, tag: string | undefined, file: string): TextRule {
  if (!identity.includes(tagPlace)) return { exact: identity }
  if (tag !== undefined) return { exact: identity.replaceAll(tagPlace, () => tag) }
  return anchored(identity.split(tagPlace).map(escaped).join(tagText), file)
}

function escaped(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
