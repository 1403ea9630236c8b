import { printable } from '../../core/printable.ts'
import { signerText } from '../../trust/signer.ts'
import { type Verdict, verdictExitCodes } from '../../trust/verdict.ts'
import { wrapped } from '../wrap.ts'
import type { VerifyRun } from './run.ts'

/** Characters per line; identities and a registry's messages may be long. */
const lineMax = 2000
const arrow = '  → '
const longestLabel = 'signed by'
/** Where the text of a fact begins. */
const factColumns = 2 + longestLabel.length + 2

/** The verdict as one JSON value; programs check `answer` and `exitCode`. */
export function verdictJson({ verdict, policy, warnings }: VerifyRun): object {
  return { ...verdict, exitCode: verdictExitCodes[verdict.answer], policy: policy ?? null, warnings }
}

/**
 * The verdict in words; the first line states it, and for a verified image names what can be deployed.
 * @param columns where sentences are wrapped; what is meant to be copied stays in one piece
 */
export function verdictText({ verdict, policy }: VerifyRun, columns = Number.POSITIVE_INFINITY): string {
  const lines = [headline(verdict), ...details(verdict), ...(policy === undefined ? [] : [fact('policy', policy)])]
  return lines.map((each) => fitting(printable(each, lineMax), columns)).join('\n')
}

function fitting(line: string, columns: number): string {
  if (line.startsWith(arrow)) return arrow + wrapped(line.slice(arrow.length), columns, ' '.repeat(arrow.length))
  const [, label, text = ''] = /^( {2}\S.*? {2,})(.*)$/.exec(line) ?? []
  if (label === undefined) return wrapped(line, columns, '  ')
  if (line.length <= columns) return line
  if (label.length <= factColumns) return label + wrapped(text, columns, ' '.repeat(label.length))
  return `${label.trimEnd()}\n    ${wrapped(text, columns, '    ')}`
}

function headline(verdict: Verdict): string {
  switch (verdict.answer) {
    case 'verified':
      return `verified: ${byDigest(verdict.image, verdict.digest)}`
    case 'unsigned':
      return `unsigned: ${byDigest(verdict.image, verdict.digest)}: ${verdict.message}`
    case 'wrong-identity':
      return `wrong identity: ${byDigest(verdict.image, verdict.digest)} is signed, but not as required`
    case 'tampered':
      return `tampered: ${verdict.digest ? byDigest(verdict.image, verdict.digest) : verdict.image}: ${verdict.message}`
    case 'expired':
      return `expired: ${byDigest(verdict.image, verdict.digest)}: ${verdict.message}`
    case 'not-found':
      return `no such image: ${verdict.image}: ${verdict.message}`
    case 'unreachable':
      return `unreachable: ${verdict.image}: ${verdict.message}`
    case 'policy-missing':
      return `policy missing: ${verdict.image}: ${verdict.message}`
  }
}

function details(verdict: Verdict): string[] {
  switch (verdict.answer) {
    case 'verified':
      return verdict.signatures.flatMap((each) => [
        fact('signed by', signerText(each.signer)),
        fact('when', each.madeAt ?? 'not attested by anyone who is trusted'),
        ...Object.entries(each.annotations).map(([key, value]) => fact('says', `${key}=${value}`)),
      ])
    case 'wrong-identity':
      return [
        ...verdict.wanted.map((each) => fact('wanted', each)),
        ...verdict.found.map((each) => fact('found', each)),
      ]
    case 'unreachable':
    case 'policy-missing':
      return verdict.next.map((each) => `${arrow}${each}`)
    case 'not-found':
      return []
    default:
      return [...verdict.rejected.map((each) => `  ${each.where}  ${each.reason}: ${each.message}`), ...advice(verdict)]
  }
}

/** One fact in two columns. */
function fact(label: string, text: string): string {
  return `  ${label.padEnd(longestLabel.length)}  ${text}`
}

/** Signatures by key are often deliberately in no log; that they are then not accepted surprises people most. */
function advice(verdict: Verdict): string[] {
  const isUnlogged = verdict.answer === 'unsigned' && verdict.rejected.some(({ reason }) => reason === 'unlogged')
  if (!isUnlogged) return []
  return [`${arrow}If no log is required: --insecure-ignore-tlog, or \`log: ignored\` in a policy.`]
}

/** `host/name:tag@sha256:...`, which every tool deploys by digest. */
function byDigest(image: string, digest: string): string {
  return image.includes('@') ? image : `${image}@${digest}`
}
