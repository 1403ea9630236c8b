/** A requirement for a user's machine, and how to check it. */
export interface Check {
  readonly title: string
  run(): Promise<Finding>
}

/** ok: as it should be. note: missing, but only some uses need it. failed: `native` will not work as it is. */
export type FindingState = 'ok' | 'note' | 'failed'

export interface Finding {
  readonly state: FindingState
  /** What was found, in a few words. */
  readonly found: string
  /** What to do about it; always there unless the state is ok. */
  readonly cure?: string
}

/** A check with its answer. */
export interface Checked extends Finding {
  readonly title: string
}

/** Runs all checks at once; the answers keep the order of the checks. */
export function runChecks(checks: readonly Check[]): Promise<Checked[]> {
  return Promise.all(checks.map(async (check) => ({ title: check.title, ...(await check.run()) })))
}

export function ok(found: string): Finding {
  return { state: 'ok', found }
}

export function note(found: string, cure: string): Finding {
  return { state: 'note', found, cure }
}

export function failed(found: string, cure: string): Finding {
  return { state: 'failed', found, cure }
}
