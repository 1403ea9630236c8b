import { readFile } from 'node:fs/promises'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { Failure, messageOf } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'
import type { KubeObject } from '../manifest/object.ts'

const fetchMsMax = 120_000
/** Envoy Gateway's has 4 MiB. */
const charactersMax = 64 * 1024 * 1024

const kubeObject = z.looseObject({
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  metadata: z.looseObject({ name: z.string().min(1) }),
})
const kubeList = z.looseObject({ kind: z.string().endsWith('List'), items: z.array(kubeObject) })

/**
 * The objects of a YAML text of many documents, in their order.
 * @param source a file, or an https address
 * @throws Failure 'not-found' and the like when it cannot be read, 'invalid' for what is not an object, at its line
 */
export async function readObjects(source: string, signal?: AbortSignal): Promise<KubeObject[]> {
  return parseObjects(/^https?:/.test(source) ? await download(source, signal) : await readText(source), source)
}

/** The same from a text. @param source its name, for errors */
export function parseObjects(text: string, source: string): KubeObject[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
    const [error] = document.errors
    if (error)
      throw new Failure('invalid', `not YAML: ${error.message}`, { where: place(source, error.linePos?.[0].line) })
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    const list = kubeList.safeParse(value)
    if (list.success) return list.data.items
    const object = kubeObject.safeParse(value)
    if (object.success) return [object.data]
    const line = text.slice(0, document.contents?.range?.[0] ?? document.range[0]).split('\n').length
    throw new Failure('invalid', 'not a Kubernetes object: it has no apiVersion, kind or name', {
      where: place(source, line),
    })
  })
}

function place(source: string, line: number | undefined): string {
  return line === undefined ? source : `${source}:${line}`
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw systemFailure(cause, { doing: 'cannot read objects', where: file })
  }
}

async function download(address: string, signal: AbortSignal | undefined): Promise<string> {
  const deadline = AbortSignal.timeout(fetchMsMax)
  const next = ['Get the file in another way and name it under `controllers` in the settings of kind clusters.']
  try {
    if (!address.startsWith('https:'))
      throw new Failure('invalid', 'objects are only read from https addresses', { where: address })
    const response = await fetch(address, { signal: signal ? AbortSignal.any([signal, deadline]) : deadline })
    if (!response.ok)
      throw new Failure(response.status === 404 ? 'not-found' : 'unavailable', `HTTP status ${response.status}`, {
        where: address,
        next,
      })
    return await bounded(response, address)
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof Failure) throw cause
    if (deadline.aborted) throw new Failure('deadline', `no answer in ${fetchMsMax / 1000} s`, { where: address, next })
    throw new Failure('unavailable', `cannot read objects: ${messageOf(causeOf(cause))}`, {
      where: address,
      next,
      cause,
    })
  }
}

/** fetch only says that it failed; the reason is in the cause. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}

async function bounded(response: Response, address: string): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > charactersMax)
      throw new Failure('exhausted', 'the answer is too long to be read as objects', { where: address })
  }
  return text + decoder.decode()
}
