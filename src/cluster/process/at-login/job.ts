/** The command that a user's session has to run, and its variables. */
export interface LoginJob {
  readonly name: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
}
