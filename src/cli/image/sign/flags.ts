import { Flags } from '@oclif/core'
import { Failure } from '../../../core/failure.ts'
import type { SignatureForm, SignRequest } from './sign.ts'

/** Flags that identify the signer, named as in cosign. */
export const signFlags = {
  'identity-token': Flags.string({
    summary: 'OIDC token that names the signer, if there is no key; by default the CI system is asked for one',
    env: 'SIGSTORE_ID_TOKEN',
    helpGroup: 'KEYLESS',
  }),
  'fulcio-url': Flags.string({ summary: 'certificate authority of a private deployment', helpGroup: 'KEYLESS' }),
  'rekor-url': Flags.string({ summary: 'transparency log of a private deployment', helpGroup: 'KEYLESS' }),
  'timestamp-server-url': Flags.string({
    summary: 'RFC 3161 timestamp authority to add a timestamp from',
    helpGroup: 'KEYLESS',
  }),
}

export interface ParsedSignFlags {
  readonly 'identity-token'?: string | undefined
  readonly 'fulcio-url'?: string | undefined
  readonly 'rekor-url'?: string | undefined
  readonly 'timestamp-server-url'?: string | undefined
}

/**
 * Who signs, and how.
 * @throws Failure 'invalid' for a malformed annotation
 */
export function signWishesOf(
  flags: ParsedSignFlags,
  key: string | undefined,
  more: { readonly forms: readonly SignatureForm[]; readonly annotations: readonly string[] },
  env: Readonly<Record<string, string | undefined>>,
): SignRequest {
  return {
    key,
    passphrase: env['COSIGN_PASSWORD'],
    keyless: {
      identityToken: flags['identity-token'],
      fulcioUrl: flags['fulcio-url'],
      rekorUrl: flags['rekor-url'],
      timestampUrl: flags['timestamp-server-url'],
      env,
    },
    annotations: Object.fromEntries(more.annotations.map(pair)),
    forms: more.forms,
  }
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new Failure('invalid', `"${text}" is not an annotation: write it as key=value`, { where: '-a' })
}
