import { backoffMs } from '../../core/backoff.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import { parseAnswer } from './answer.ts'
import type { ApiRequest, Kubernetes } from './connect.ts'
import { apiFailure, connectionFailure, isPassing, isRefusal } from './failure.ts'

export interface ApiCall extends ApiRequest {
  /** What it is about, for errors: like `StatefulSet native/cas`. */
  readonly object: string
  readonly signal?: AbortSignal | undefined
  /** For one attempt: until the whole answer, or for `lines` its head, has arrived. */
  readonly msMax?: number
}

export interface ApiAnswer {
  readonly status: number
  /** Parsed JSON, without null members; to be checked by a schema. */
  readonly body: unknown
}

const msMaxDefault = 30_000
/** A list of the largest controllers' definitions takes 4 MiB. */
const answerBytesMax = 64 * 1024 * 1024
/** etcd accepts objects of up to 1.5 MiB; containerd cuts log lines at 16 KiB, a server's own may be longer. */
const lineCharactersMax = 16 * 1024 * 1024
const delays = { msMin: 100, msMax: 2_000 }
/** How long a refusal for lack of rights is retried: the server may only be starting. */
const refusedMsMax = 30_000

/**
 * One call with a JSON answer. It is retried while that may help and the connection's patience lasts: every call here
 * can safely be repeated.
 * @throws Failure as apiFailure and connectionFailure make them, 'deadline'; the signal's reason
 */
export async function call(kubernetes: Kubernetes, request: ApiCall): Promise<ApiAnswer> {
  const { status, text } = await textOf(kubernetes, request)
  return { status, body: parseAnswer(text) }
}

/** The same for a text answer. */
export function textOf(kubernetes: Kubernetes, request: ApiCall): Promise<{ status: number; text: string }> {
  return patiently(kubernetes, request.signal, async () => {
    const life = lifeOf(kubernetes, request)
    try {
      const response = await succeeded(kubernetes, request, life.signal)
      const answer = { status: response.statusCode ?? 0, text: await wholeText(response, request) }
      life.begun()
      return answer
    } catch (error) {
      life.end()
      throw life.errorOf(error)
    }
  })
}

/**
 * The lines of a streamed answer, like a watch or a followed log. Patience applies to its start; a connection that
 * breaks later is an error 'unavailable', and an incomplete line is dropped.
 * @param began called when the head of the answer has arrived
 */
export async function* lines(
  kubernetes: Kubernetes,
  request: ApiCall,
  began: () => void = () => undefined,
): AsyncGenerator<string, void> {
  const { life, stream } = await patiently(kubernetes, request.signal, async () => {
    const opened = lifeOf(kubernetes, request)
    try {
      const response = await succeeded(kubernetes, request, opened.signal)
      opened.begun()
      return { life: opened, stream: response }
    } catch (error) {
      opened.end()
      throw opened.errorOf(error)
    }
  })
  try {
    began()
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of stream) {
      rest += decoder.decode(chunk, { stream: true })
      if (!rest.includes('\n')) {
        if (rest.length > lineCharactersMax) throw tooLong(request)
        continue
      }
      const parts = rest.split('\n')
      rest = parts.pop() ?? ''
      yield* parts
    }
    if (rest !== '') yield rest
  } catch (error) {
    throw life.errorOf(error)
  } finally {
    life.end()
  }
}

/** Retries, at growing intervals, while the failure may be transient. */
async function patiently<T>(
  { clock, patience }: Kubernetes,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const began = clock.now()
  let refusedSince: number | undefined
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt()
    } catch (error) {
      const delay = backoffMs(failures, delays)
      if (isRefusal(error)) refusedSince ??= clock.now()
      else if (!isPassing(error)) throw error
      const end = isRefusal(error)
        ? (refusedSince ?? began) + Math.min(patience.msMax, refusedMsMax)
        : began + patience.msMax
      if (clock.now() + delay > end) throw error
      patience.say?.(`${messageOf(error)}; trying again`)
      await wait(delay, clock, signal)
    }
  }
}

async function succeeded(kubernetes: Kubernetes, request: ApiCall, signal: AbortSignal) {
  const response = await kubernetes.exchange(request, signal)
  const status = response.statusCode ?? 0
  if (status >= 200 && status <= 299) return response
  const body = await wholeText(response, request)
  throw apiFailure(await kubernetes.exception(response, body), request.object, request.method === 'PATCH')
}

/** The lifetime of an attempt: it ends with the caller's signal, its deadline, or when it is done. */
function lifeOf({ clock, server }: Kubernetes, { signal, msMax = msMaxDefault, object }: ApiCall) {
  const own = new AbortController()
  const late = new Failure('deadline', `the API server did not answer in ${msMax / 1000} s`, { where: object })
  const cancel = clock.after(msMax, () => own.abort(late))
  return {
    signal: signal ? AbortSignal.any([signal, own.signal]) : own.signal,
    begun: cancel,
    end() {
      cancel()
      own.abort()
    },
    errorOf(error: unknown): unknown {
      if (signal?.aborted) return signal.reason
      return own.signal.aborted && own.signal.reason === late ? late : connectionFailure(error, server)
    },
  }
}

async function wholeText(stream: AsyncIterable<Uint8Array>, request: ApiCall): Promise<string> {
  const decoder = new TextDecoder()
  let [text, bytes] = ['', 0]
  for await (const chunk of stream) {
    bytes += chunk.byteLength
    if (bytes > answerBytesMax) throw tooLong(request)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function tooLong({ object }: ApiCall): Failure {
  return new Failure('exhausted', 'the answer of the API server is too large', { where: object })
}
