import { z } from 'zod'
import { printable } from '../core/printable.ts'
import { isRecord } from '../core/record.ts'
import { readJson } from './json.ts'
import { notesMax, statementValuesMax, subjectsMax } from './limits.ts'
import { cosignSignPredicate, inTotoType } from './media.ts'
import { Rejection } from './rejection.ts'
import type { ManifestDigest } from './source.ts'

/** What is required of an image: a signature, or an attestation. */
export type RequiredKind =
  | { readonly kind: 'signature' }
  | { readonly kind: 'attestation'; readonly predicateType: string }

/** What a signer signed, read only after the signature was verified. */
export interface Claims {
  readonly subjects: readonly Subject[]
  readonly kind: RequiredKind['kind']
  /** Absent in simple signing. */
  readonly predicateType: string | undefined
}

/** A signed image, and its annotations. */
export interface Subject {
  readonly digest: string
  readonly annotations: ReadonlyMap<string, string>
}

/** The signed bytes, and their format. */
export type SignedContent =
  | { readonly format: 'simple-signing'; readonly payload: Buffer }
  | { readonly format: 'in-toto'; readonly payload: Buffer; readonly payloadType: string }

const simpleSigningTypes = ['cosign container image signature', 'atomic container signature']

// containers/image, docs/atomic-signature.md; cosign fills `optional` from -a.
const simpleSigning = z.looseObject({
  critical: z.looseObject({
    identity: z.looseObject({ 'docker-reference': z.string().nullish() }).nullish(),
    image: z.looseObject({ 'docker-manifest-digest': z.string() }),
    type: z.string(),
  }),
  optional: z.record(z.string(), z.unknown()).nullish(),
})

// in-toto/attestation, spec/v1/statement.md; v0.1 has the same fields that we read. Large ones are not copied, and are
// counted before their members are examined.
const notes = z.custom<Readonly<Record<string, unknown>>>((value) => areNotes(value), {
  error: `expected at most ${notesMax} annotations`,
})
const subject = z.object({
  digest: z.object({ sha256: z.string().nullish(), sha512: z.string().nullish() }),
  annotations: notes.nullish(),
})
const statement = z.object({
  _type: z.enum(['https://in-toto.io/Statement/v0.1', 'https://in-toto.io/Statement/v1']),
  subject: z.array(z.unknown()).min(1).max(subjectsMax).pipe(z.array(subject)),
  predicateType: z.string().min(1),
})

function areNotes(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length <= notesMax
}

/**
 * Parses what was signed.
 * @throws Rejection 'malformed', 'unsupported'
 */
export function readClaims(content: SignedContent): Claims {
  return content.format === 'simple-signing' ? simpleClaims(content.payload) : statementClaims(content)
}

function simpleClaims(payload: Buffer): Claims {
  const { critical, optional } = readJson(payload, simpleSigning, 'the signed payload')
  if (!simpleSigningTypes.includes(critical.type))
    throw new Rejection(
      'other-subject',
      `what was signed is not an image but "${printable(critical.type)}" (critical.type)`,
    )
  return {
    subjects: [{ digest: critical.image['docker-manifest-digest'], annotations: texts(optional ?? {}) }],
    kind: 'signature',
    predicateType: undefined,
  }
}

function statementClaims(content: { payload: Buffer; payloadType: string }): Claims {
  if (content.payloadType !== inTotoType)
    throw new Rejection(
      'unsupported',
      `the envelope contains "${printable(content.payloadType)}", not an in-toto statement`,
    )
  const { subject, predicateType } = readJson(content.payload, statement, 'the signed statement', statementValuesMax)
  return {
    subjects: subject.flatMap(({ digest, annotations }) =>
      (['sha256', 'sha512'] as const).flatMap((each) =>
        digest[each] ? [{ digest: `${each}:${digest[each]}`, annotations: texts(annotations ?? {}) }] : [],
      ),
    ),
    kind: predicateType === cosignSignPredicate ? 'signature' : 'attestation',
    predicateType,
  }
}

/**
 * The resolved image among the subjects of the signature.
 * @throws Rejection 'other-subject' if it is not one of them
 */
export function subjectOf(claims: Claims, digest: ManifestDigest): Subject {
  const found = claims.subjects.find((each) => each.digest === digest)
  if (found) return found
  const first = claims.subjects[0]?.digest ?? 'nothing'
  throw new Rejection('other-subject', `it was made for ${printable(first, 160)}, but the image is ${digest}`)
}

/**
 * Checks the kind and the predicate type (CVE-2022-35929).
 * @throws Rejection 'unsupported'
 */
export function assertKind(claims: Claims, wanted: RequiredKind): void {
  if (wanted.kind === 'signature') {
    if (claims.kind === 'signature') return
    throw new Rejection(
      'unsupported',
      `it attests ${printable(String(claims.predicateType))}, which is not a signature`,
    )
  }
  if (claims.predicateType === wanted.predicateType) return
  throw new Rejection(
    'unsupported',
    `it attests ${printable(claims.predicateType ?? 'nothing')}, but ${wanted.predicateType} is required`,
  )
}

/**
 * If the content itself claims to be something other than what is wanted, it does not matter who signed it, and it is
 * not a signature by the wrong person. The claim is not trusted: it can only exclude something.
 * @throws Rejection 'unsupported'
 */
export function assertMayBe(content: SignedContent, wanted: RequiredKind): void {
  let claims: Claims
  try {
    claims = readClaims(content)
  } catch (error) {
    if (error instanceof Rejection) return
    throw error
  }
  assertKind(claims, wanted)
}

/**
 * Checks that it has every required annotation.
 * @throws Rejection 'other-annotations'
 */
export function assertAnnotations(subject: Subject, wanted: ReadonlyMap<string, string>): void {
  for (const [key, value] of wanted) {
    const found = subject.annotations.get(key)
    if (found === value) continue
    const told = found === undefined ? `no annotation ${key}` : `${key}=${found}`
    throw new Rejection('other-annotations', `it has ${printable(told)}, but ${key}=${value} is required`, {
      found: printable(told),
    })
  }
}

function texts(values: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const pairs = Object.entries(values).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  )
  return new Map(pairs)
}
