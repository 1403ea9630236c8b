import { z } from 'zod'
import { Failure, type FailureKind } from '../../../core/failure.ts'
import type { HttpAnswer } from './http.ts'

const errorBytesMax = 64 * 1024
const errorsSchema = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })).max(100),
})

/**
 * The whole body of an answer.
 * @throws Failure 'exhausted' when it is longer than bytesMax
 */
export async function answerBytes(answer: HttpAnswer, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body) {
    size += chunk.byteLength
    if (size > bytesMax)
      throw new Failure('exhausted', `${answer.url.host} answered with more than ${bytesMax} bytes`, {
        where: answer.url.href.split('?')[0] ?? '',
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * What a refusing answer means, with what the registry said about it (distribution-spec, "Error Codes").
 * @param registry whom to log in to
 */
export async function refusal(answer: HttpAnswer, doing: string, registry: string): Promise<Failure> {
  const said = await errorText(answer)
  const where = `${answer.url.host}${answer.url.pathname}`
  return new Failure(
    kindOf(answer.status),
    `cannot ${doing}: ${said || statusText(answer.status)} (HTTP ${answer.status})`,
    {
      where,
      next: nextOf(answer.status, registry),
    },
  )
}

function kindOf(status: number): FailureKind {
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'not-found'
  if (status === 429 || status === 408 || status >= 500) return 'unavailable'
  if (status === 416) return 'out-of-range'
  return status === 413 ? 'exhausted' : 'precondition'
}

function nextOf(status: number, registry: string): string[] {
  if (status === 401) return [`Log in: docker login ${registry} (or skopeo login, podman login).`]
  if (status === 403) return ['The login has no right to do this; ask whoever owns the repository.']
  return []
}

function statusText(status: number): string {
  const texts: Record<number, string> = {
    401: 'it asks for a login',
    403: 'access is denied',
    404: 'it is not there',
    413: 'it is too large for this registry',
    429: 'too many requests',
  }
  return texts[status] ?? (status >= 500 ? 'the registry failed' : 'the registry refused')
}

async function errorText(answer: HttpAnswer): Promise<string> {
  const type = answer.header('content-type') ?? ''
  if (!type.includes('json')) {
    answer.discard()
    return ''
  }
  try {
    const bytes = await answerBytes(answer, errorBytesMax)
    const parsed = errorsSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    const texts = parsed.success ? parsed.data.errors.map((each) => each.message || each.code || '') : []
    return printable(texts.filter(Boolean).slice(0, 3).join('; '))
  } catch {
    // An error page that is none says nothing beyond its status.
    return ''
  }
}

/** What strangers write must not move a terminal's cursor. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, ' ').slice(0, 500)
}
