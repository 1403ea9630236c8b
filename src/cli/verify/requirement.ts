import { Failure } from '../../core/failure.ts'
import type { ImageName } from '../../image/name.ts'
import type { RequiredKind } from '../../trust/claims.ts'
import { readPublicKey } from '../../trust/key-file.ts'
import { predicateNames, predicateTypeOf } from '../../trust/media.ts'
import { anchored, type Requirement, type SignerRule, type TextRule } from '../../trust/policy.ts'
import type { WorkflowClaim } from '../../trust/workflow.ts'

/** What was requested on the command line, named as in cosign. */
export interface VerifyRequest {
  readonly certificateIdentity?: string | undefined
  readonly certificateIdentityRegexp?: string | undefined
  readonly certificateOidcIssuer?: string | undefined
  readonly certificateOidcIssuerRegexp?: string | undefined
  readonly workflow: Readonly<Partial<Record<WorkflowClaim, string>>>
  /** A public key file. */
  readonly key?: string | undefined
  readonly type?: string | undefined
  /** `key=value`. */
  readonly annotations: readonly string[]
  readonly insecureIgnoreTlog: boolean
  readonly insecureIgnoreSct: boolean
  readonly useSignedTimestamps: boolean
  /** The user's own policies, which precede the built-in ones. */
  readonly policies: readonly string[]
}

/** A requirement, where it comes from, and the root that its policy requires. */
export interface ChosenRequirement {
  readonly requirement: Requirement
  /** A policy's file; undefined if the command line says whom to trust. */
  readonly policy: string | undefined
  readonly trustedRoot: string | undefined
}

/**
 * Whom to trust for an image: what the command line says, otherwise the first matching policy; undefined if there is
 * none.
 * @param builtIn the files of the built-in policies
 * @throws Failure 'invalid' for flags that contradict each other
 */
export async function chooseRequirement(
  image: ImageName,
  wishes: VerifyRequest,
  builtIn: readonly string[],
): Promise<ChosenRequirement | undefined> {
  const common = {
    wanted: requiredKindOf(wishes.type),
    sctRequired: !wishes.insecureIgnoreSct,
    timestampRequired: wishes.useSignedTimestamps,
  }
  const annotations = annotationsOf(wishes.annotations)
  const signer = await namedSigner(wishes)
  if (signer) {
    const logRequired = !wishes.insecureIgnoreTlog
    const requirement = { ...common, signers: [signer], threshold: 1, annotations, logRequired }
    return { requirement, policy: undefined, trustedRoot: undefined }
  }
  // Reading policies is a lot of code, which is not needed if a key or an identity is given.
  const { findPolicy, policyImageOf, requirementOf } = await import('../../trust/policy-file.ts')
  const found = await findPolicy([...wishes.policies, ...builtIn], policyImageOf(image))
  if (!found) return undefined
  const { file, trustedRoot } = found
  return {
    requirement: {
      ...requirementOf(found),
      ...common,
      annotations: new Map([...found.annotations, ...annotations]),
      logRequired: found.logRequired && !wishes.insecureIgnoreTlog,
    },
    policy: file,
    trustedRoot,
  }
}

async function namedSigner(wishes: VerifyRequest): Promise<SignerRule | undefined> {
  const identity = textRule(wishes.certificateIdentity, wishes.certificateIdentityRegexp, '--certificate-identity')
  const issuer = textRule(wishes.certificateOidcIssuer, wishes.certificateOidcIssuerRegexp, '--certificate-oidc-issuer')
  const hasWorkflow = Object.keys(wishes.workflow).length > 0
  if (wishes.key !== undefined) {
    if (identity || issuer || hasWorkflow)
      throw new Failure('invalid', 'a key and an identity cannot be combined', {
        where: '--key',
        next: ['A signature made with a key has no certificate that could name an identity.'],
      })
    return { ...(await readPublicKey(wishes.key)), kind: 'key', name: wishes.key }
  }
  if (!identity && !issuer && !hasWorkflow) return undefined
  if (identity && issuer) return { kind: 'identity', identity, issuer, workflow: wishes.workflow }
  throw new Failure('invalid', 'an identity needs the issuer that vouches for it', {
    where: identity ? '--certificate-oidc-issuer' : '--certificate-identity',
    next: ['Give both --certificate-identity and --certificate-oidc-issuer (or their -regexp forms).'],
  })
}

function textRule(exact: string | undefined, regexp: string | undefined, flag: string): TextRule | undefined {
  if (exact !== undefined && regexp !== undefined)
    throw new Failure('invalid', `${flag} and ${flag}-regexp cannot be combined`, { where: flag })
  if (exact === '' || regexp === '') throw new Failure('invalid', `${flag} is empty`, { where: flag })
  if (exact !== undefined) return { exact }
  return regexp === undefined ? undefined : anchored(regexp, `${flag}-regexp`)
}

function requiredKindOf(type: string | undefined): RequiredKind {
  if (type === undefined) return { kind: 'signature' }
  const predicateType = predicateTypeOf(type)
  if (predicateType !== undefined) return { kind: 'attestation', predicateType }
  throw new Failure('invalid', `"${type}" is not a type of attestation`, {
    where: '--type',
    next: [`Give a URI, or one of ${predicateNames.join(', ')}.`],
  })
}

function annotationsOf(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf('=')
      if (at <= 0)
        throw new Failure('invalid', `"${text}" is not an annotation: write it as key=value`, { where: '-a' })
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}
