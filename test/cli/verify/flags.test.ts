import { expect, it } from 'vitest'
import { assertNoTrust } from '../../../src/cli/verify/flags.ts'

it('a flag of verification alone is told what it needs, and a key for signing where it belongs', () => {
  const refusal = (next: unknown) => expect.objectContaining({ kind: 'invalid', next })
  const verify = expect.stringContaining('Add --verify')
  expect(() => assertNoTrust({ policy: 'p.yaml' })).toThrow(refusal([verify]))
  expect(() => assertNoTrust({ key: 'a.key' })).toThrow(refusal([verify, expect.stringContaining('--sign-key')]))
  expect(() => assertNoTrust({ key: undefined, 'insecure-ignore-tlog': false })).not.toThrow()
})
