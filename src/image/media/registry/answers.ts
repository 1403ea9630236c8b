import { z } from 'zod'
import { Failure, type FailureKind } from '../../../core/failure.ts'
import { printable } from '../../../core/printable.ts'
import type { Credentials } from '../../credentials.ts'
import { listOf, text } from '../../go-json.ts'
import type { HttpAnswer } from './exchange.ts'

const errorBytesMax = 64 * 1024
/** Characters shown of a registry's error message. */
const textMax = 500
const userMax = 100
const errorsSchema = z.looseObject({
  errors: listOf(
    z.preprocess((value) => value ?? {}, z.looseObject({ code: text(errorBytesMax), message: text(errorBytesMax) })),
    100,
  ),
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
 * The failure for an error response, with the registry's message (distribution-spec, "Error Codes").
 * @param registry whom to log in to
 * @param login what was used for the request, if known
 */
export async function refusal(
  answer: HttpAnswer,
  doing: string,
  registry: string,
  login?: Credentials | null,
): Promise<Failure> {
  const said = await errorText(answer)
  const where = `${answer.url.host}${answer.url.pathname}`
  return new Failure(
    kindOf(answer.status),
    `cannot ${doing}: ${answer.status === 401 && login ? loginText(login) : said || statusText(answer.status)} (HTTP ${answer.status})`,
    {
      where,
      next: nextOf(answer, registry),
    },
  )
}

/** A registry responds the same to a wrong password as to none; only we know which it was. */
function loginText(login: Credentials): string {
  return login.kind === 'password'
    ? `the login of "${printable(login.user, userMax)}" was refused`
    : 'the token of the login was refused'
}

function kindOf(status: number): FailureKind {
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'not-found'
  if (status === 429 || status === 408 || status >= 500) return 'unavailable'
  if (status === 416) return 'out-of-range'
  return status === 413 ? 'exhausted' : 'precondition'
}

function nextOf({ status, url }: HttpAnswer, registry: string): string[] {
  if (status === 401) return [`Log in: docker login ${registry} (or skopeo login, podman login).`]
  if (status === 403) return ['The login lacks the permission; ask the owner of the repository.']
  return status === 404 ? absentNext(url.pathname, registry) : []
}

/** What to do about a manifest or a repository that is not there (distribution-spec, "Endpoints"). */
function absentNext(path: string, registry: string): string[] {
  const [, repository, what] = /^\/v2\/(.+)\/(manifests|tags)\/[^/]+$/.exec(path) ?? []
  if (repository === undefined) return []
  const hidden = `A private repository may look as if it did not exist: log in with docker login ${registry}.`
  if (what === 'tags') return ['Check the name of the repository.', hidden]
  return [`\`native image ls ${registry}/${repository}\` lists the tags that exist.`, hidden]
}

function statusText(status: number): string {
  const texts: Record<number, string> = {
    401: 'it requires a login',
    403: 'access is denied',
    404: 'it does not exist',
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
    const texts = parsed.success ? parsed.data.errors.map((each) => each.message || each.code) : []
    return printable([...new Set(texts.filter(Boolean))].slice(0, 3).join('; '), textMax)
  } catch {
    // A malformed error body says nothing beyond its status.
    return ''
  }
}
