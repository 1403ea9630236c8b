import { Failure, messageOf } from '../core/failure.ts'
import type { RequiredKind } from './claims.ts'
import type { TrustedKey } from './keys.ts'
import { type Signer, signerKey } from './signer.ts'
import type { WorkflowClaim } from './workflow.ts'

/** A condition on a text: an exact value, or a regular expression that matches all of it. */
export type TextRule = { readonly exact: string } | { readonly pattern: RegExp; readonly source: string }

/** An accepted signer: an identity in a certificate. */
export interface IdentityRule {
  readonly kind: 'identity'
  readonly identity: TextRule
  readonly issuer: TextRule
  /** Claims of a GitHub workflow, compared exactly. */
  readonly workflow: Readonly<Partial<Record<WorkflowClaim, string>>>
}

/** An accepted signer: the owner of a key. */
export interface KeyRule extends TrustedKey {
  readonly kind: 'key'
  /** The file, for people. */
  readonly name: string
  /** When it may be used, both ends inclusive, milliseconds since 1970 (GHSA-wqqc-jjcq-vfxm). */
  readonly validFrom?: number
  readonly validUntil?: number
}

export type SignerRule = IdentityRule | KeyRule

/** What is required for an image to count as verified. */
export interface Requirement {
  readonly wanted: RequiredKind
  readonly signers: readonly SignerRule[]
  /** How many different ones of these signers must have signed; at least 1. */
  readonly threshold: number
  readonly annotations: ReadonlyMap<string, string>
  /** False: a signature without an entry in a trusted log counts too (`--insecure-ignore-tlog`). */
  readonly logRequired: boolean
  /** False: certificates need no promise of a certificate log (`--insecure-ignore-sct`). */
  readonly sctRequired: boolean
  /** True: a timestamp from a timestamp authority is required (`--use-signed-timestamps`). */
  readonly timestampRequired: boolean
}

/**
 * A regular expression that must match the whole text; otherwise anybody could pass whose name contains the wanted one.
 * @param where the flag or the policy, for errors
 * @throws Failure 'invalid'
 */
export function anchored(source: string, where: string): TextRule {
  try {
    // Compiled alone first: "a)|(b" would only be valid between the anchors, and defeat them.
    void new RegExp(source, 'u')
    return { pattern: new RegExp(`^(?:${source})$`, 'u'), source }
  } catch (cause) {
    throw new Failure('invalid', `"${source.slice(0, 200)}" is not a regular expression: ${messageOf(cause)}`, {
      where,
    })
  }
}

/** Does the rule accept this text? */
export function fits(rule: TextRule, text: string): boolean {
  return 'exact' in rule ? rule.exact === text : rule.pattern.test(text)
}

/** Does the rule accept this signer? */
export function isMeant(rule: SignerRule, signer: Signer): boolean {
  if (rule.kind === 'key') return signer.kind === 'key' && signer.fingerprint === rule.fingerprint
  if (signer.kind === 'key' || signer.issuer === undefined) return false
  return (
    signer.identities.some((each) => fits(rule.identity, each)) &&
    fits(rule.issuer, signer.issuer) &&
    Object.entries(rule.workflow).every(([claim, value]) => signer.workflow[claim as WorkflowClaim] === value)
  )
}

/**
 * How many of the rules are satisfied by different signers: each signer counts for one rule, each rule once, even if
 * patterns overlap (a maximum matching by augmenting paths).
 */
export function signersCounted(rules: readonly SignerRule[], signers: readonly Signer[]): number {
  const taken = new Map<string, SignerRule>()
  const distinct = [...new Map(signers.map((each) => [signerKey(each), each])).values()]
  const place = (rule: SignerRule, seen: Set<string>): boolean =>
    distinct.some((signer) => {
      const key = signerKey(signer)
      if (seen.has(key) || !isMeant(rule, signer)) return false
      seen.add(key)
      const before = taken.get(key)
      if (before && !place(before, seen)) return false
      taken.set(key, rule)
      return true
    })
  return rules.filter((rule) => place(rule, new Set())).length
}

/** The rule in words, for "wanted". */
export function ruleText(rule: SignerRule): string {
  if (rule.kind === 'key') return `the key ${rule.name} (sha256:${rule.fingerprint.slice(0, 16)}...)`
  const claims = Object.entries(rule.workflow).map(([claim, value]) => `, workflow ${claim} ${value}`)
  return `${textRuleText(rule.identity)}, vouched for by ${textRuleText(rule.issuer)}${claims.join('')}`
}

function textRuleText(rule: TextRule): string {
  return 'exact' in rule ? rule.exact : `anything that matches ${rule.source}`
}
