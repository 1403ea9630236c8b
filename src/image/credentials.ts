import type { Secret } from './secret.ts'

/** What a registry accepts as a login. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: Secret }
  /** An OAuth2 refresh token, as `docker login` keeps for some registries. */
  | { readonly kind: 'identity-token'; readonly token: Secret }
  /** A bearer token that is sent as it is. */
  | { readonly kind: 'registry-token'; readonly token: Secret }
