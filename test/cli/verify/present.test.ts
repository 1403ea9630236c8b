import { expect, it } from 'vitest'
import ImageVerify from '../../../commands/image/verify.ts'
import { verdictText } from '../../../src/cli/verify/present.ts'
import { type Verdict, verdictExitCodes } from '../../../src/trust/verdict.ts'

const digest = `sha256:${'0'.repeat(64)}` as const
const run = (verdict: Verdict) => ({ verdict, policy: undefined, warnings: [] })

it('the wrong identity is told with what was wanted and what was found', () => {
  const text = verdictText(
    run({ answer: 'wrong-identity', image: 'app', digest, rejected: [], wanted: ['me'], found: ['you'] }),
  )
  expect(text).toMatch(/wanted +me\n +found +you/)
})

it('facts stand in one column', () => {
  const signature = {
    signer: { kind: 'key', fingerprint: '0'.repeat(64) },
    form: 'bundle',
    madeAt: null,
    predicateType: null,
    annotations: { env: 'prod' },
    where: digest,
  } as const
  const verdict: Verdict = { answer: 'verified', image: 'app', digest, rejected: [], signatures: [signature] }
  const [headline, ...facts] = verdictText({ verdict, policy: 'policy.yaml', warnings: [] }).split('\n')
  expect(headline).toBe(`verified: app@${digest}`)
  expect(facts.map((each) => each.slice(0, 13).trim())).toEqual(['signed by', 'when', 'says', 'policy'])
  expect(facts.map((each) => each.slice(13))).toEqual([
    'the key sha256:0000000000000000...',
    'not attested by anyone who is trusted',
    'env=prod',
    'policy.yaml',
  ])
})

it('what strangers wrote cannot move the cursor or turn a line around', () => {
  const text = verdictText(
    run({ answer: 'tampered', image: 'app', digest: null, rejected: [], message: '\u001b[2K\u202everified' }),
  )
  expect(text).toBe('tampered: app: ?[2K?verified')
})

it('a signature in no log is told with how it would count', () => {
  const rejected = [{ where: 'sha256-0.sig', reason: 'unlogged', message: 'it is in no log' }] as const
  const text = verdictText(run({ answer: 'unsigned', image: 'app', digest, rejected, message: 'none counts' }))
  expect(text).toContain('--insecure-ignore-tlog')
  const other = [{ where: 'sha256-0.sig', reason: 'unsupported', message: 'another kind' }] as const
  expect(
    verdictText(run({ answer: 'unsigned', image: 'app', digest, rejected: other, message: 'none counts' })),
  ).not.toContain('--insecure-ignore-tlog')
})

it('fits a terminal: sentences are broken at blanks, names are not', () => {
  const where = `sha256-${'0'.repeat(64)}.sig`
  const rejected = [
    { where, reason: 'unlogged', message: 'it is in no log of the root that comes with native' },
  ] as const
  const told = run({ answer: 'unsigned', image: 'app', digest, rejected, message: 'none of the signatures counts' })
  const lines = verdictText(told, 50).split('\n')
  expect(lines).toContain(`  ${where}`)
  expect(lines).toContain('    unlogged: it is in no log of the root that')
  expect(lines).toContain('    comes with native')
  expect(verdictText(told)).toContain(`  ${where}  unlogged: it is in no log of the root that comes with native`)
})

it('the command tells every exit code', () => {
  for (const code of Object.values(verdictExitCodes))
    expect(ImageVerify.description).toMatch(new RegExp(`\\b${code} \\w`))
})
