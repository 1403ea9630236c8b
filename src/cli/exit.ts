import type { FailureKind } from '../core/failure.ts'

/**
 * The exit code of each kind of failure. Scripts rely on these; this room's README.md has the table for people, and a
 * test keeps the two equal.
 */
export const exitCodes: Readonly<Record<FailureKind, number>> = {
  internal: 1,
  invalid: 2,
  'out-of-range': 2,
  'not-found': 3,
  unavailable: 4,
  deadline: 4,
  precondition: 5,
  exists: 5,
  exhausted: 6,
  denied: 7,
  corrupt: 8,
  program: 9,
  unimplemented: 10,
  // 128 + SIGINT, as in shells.
  cancelled: 130,
}
