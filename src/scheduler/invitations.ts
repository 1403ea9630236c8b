/** Gives invited machines tokens of their own. Its input is the `authorization` of the call. */
export interface Invitations {
  /**
   * Exchanges an invitation for the right to use a token that the machine has made itself.
   * @param own the token's id and its hash
   * @throws Failure 'denied' for an invitation that is not valid, 'invalid', 'exists'
   */
  redeem(
    authorization: string,
    own: { readonly id: string; readonly hash: string },
  ): Promise<{ readonly name: string; readonly expiresMs: number | null }>
  /** Revokes such a token. @returns false for one that did not come from an invitation */
  retire(authorization: string): Promise<boolean>
}
