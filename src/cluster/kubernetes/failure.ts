import type { ApiException } from '@kubernetes/client-node'
import { z } from 'zod'
import { Failure, type FailureKind, messageOf } from '../../core/failure.ts'
import { parseAnswer } from './answer.ts'

/** metav1.Status: what the API server says about a failure. */
export const apiStatus = z.looseObject({
  code: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .looseObject({
      causes: z
        .array(
          z.looseObject({
            reason: z.string().optional(),
            field: z.string().optional(),
            message: z.string().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
})
export type ApiStatus = z.output<typeof apiStatus>

const kinds: Readonly<Record<number, FailureKind>> = {
  400: 'invalid',
  401: 'denied',
  403: 'denied',
  404: 'not-found',
  405: 'unimplemented',
  409: 'precondition',
  410: 'out-of-range',
  413: 'exhausted',
  415: 'unimplemented',
  422: 'invalid',
  429: 'unavailable',
}

const cures: Readonly<Record<number, string>> = {
  400: 'Controllers of another version may know other fields; `native up` brings those of this release.',
  401: 'The kubeconfig may be of a former cluster, or its certificate has run out; run `native up` again.',
  403: 'This user of the cluster may not do that, or a policy of the cluster forbids it.',
  404: '`native up` brings what is missing of the controllers, `native deploy` of the servers.',
  409: 'Somebody else changed it at the same time; run the command again.',
  422: 'Change the setting that is named; some fields cannot be changed once they are set.',
}
const laterCure = 'Run the command again in a moment; `native status` tells how the cluster is.'

/**
 * A refusal by the API server, with its own words.
 * @param object what the call was about
 * @param isPatch whether the call was a patch: a schema violation is then answered by a 500 without a reason
 */
export function apiFailure(error: ApiException<string>, object: string, isPatch: boolean): Failure {
  const status = statusOf(error.body)
  const misfit = isPatch && error.code === 500 && status.reason === undefined
  return statusFailure(misfit ? 400 : error.code, status, object, error)
}

/** The same for a metav1.Status that came in a stream. */
export function statusFailure(code: number, status: ApiStatus, object: string, cause: unknown): Failure {
  const causes = status.details?.causes ?? []
  const terminating = causes.some(({ reason }) => reason === 'NamespaceTerminating')
  const kind = terminating || code >= 500 ? 'unavailable' : status.reason === 'AlreadyExists' ? 'exists' : kinds[code]
  const said = status.message ?? `HTTP status ${code}`
  const output = causes
    .map(({ field, message }) => [field, message].filter(Boolean).join(': '))
    .filter((each) => !said.includes(each))
  return new Failure(kind ?? 'internal', `the API server refuses: ${said}`, {
    where: object,
    next: [terminating || code >= 500 || code === 429 ? laterCure : (cures[code] ?? laterCure)],
    ...(output.length > 0 && { output: output.join('\n') }),
    cause,
  })
}

/** The body as a Status; a proxy's page or an empty body becomes one without a message. */
function statusOf(body: string): ApiStatus {
  try {
    return apiStatus.parse(parseAnswer(body))
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error
    return body === '' ? {} : { message: body.slice(0, 1000).trim() }
  }
}

/** Error codes of Node and the system for a server that is absent, or disappears during a call. */
const passing = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
])

/**
 * A connection that could not be made or broke: 'unavailable'; one to a server other than the kubeconfig's: 'denied'.
 * Any other error is returned unchanged.
 */
export function connectionFailure(error: unknown, server: string): unknown {
  const code = systemCode(error)
  if (code === undefined) return error
  if (passing.has(code) || code.startsWith('HPE_'))
    return new Failure('unavailable', `the API server does not answer (${code})`, {
      where: server,
      next: ['Is docker running? `native up` starts nodes that are stopped.'],
      cause: error,
    })
  return new Failure(
    'denied',
    `the API server is not the one that the kubeconfig is for (${code}: ${messageOf(rootOf(error))})`,
    {
      where: server,
      next: ['Run `native up`, which writes the kubeconfig again.'],
      cause: error,
    },
  )
}

/** The code of the error itself, or of its cause. */
function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1)
    if ('code' in at && typeof at.code === 'string') return at.code
  return undefined
}

function rootOf(error: unknown): unknown {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error && at.cause !== undefined; depth += 1) at = at.cause
  return at
}

/** Is it worth making the same call again? */
export function isPassing(error: unknown): boolean {
  return error instanceof Failure && (error.kind === 'unavailable' || error.kind === 'deadline')
}

/** A server that has just started refuses everybody until it has read the access rules. */
export function isRefusal(error: unknown): boolean {
  const code = statusCodeOf(error)
  return code === 401 || code === 403
}

/** The HTTP status that a Failure is made from, if it is of one. */
export function statusCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Failure) || !(error.cause instanceof Error) || !('code' in error.cause)) return undefined
  return typeof error.cause.code === 'number' ? error.cause.code : undefined
}
