import { Failure } from '../core/failure.ts'
import { problemPage } from './frame.ts'

/** The response of a page: a text, or a blob in pieces. */
export type Answer = TextAnswer | BlobAnswer

export interface TextAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly location?: string
}

/** A file to download, never shown: its bytes are untrusted. */
export interface BlobAnswer {
  readonly name: string
  readonly size: number
  readonly pieces: AsyncIterable<Uint8Array>
}

export function ok(text: string): TextAnswer {
  return { status: 200, type: 'text/html; charset=utf-8', text }
}

export function redirect(location: string): TextAnswer {
  return { status: 303, type: 'text/plain; charset=utf-8', text: '', location }
}

/** The page for a failure. @throws errors that are bugs */
export function problem(error: unknown): TextAnswer {
  if (!(error instanceof Failure)) throw error
  const status = error.kind === 'not-found' ? 404 : error.kind === 'invalid' ? 400 : 503
  const title = status === 503 ? 'This cannot be told now' : 'Nothing found'
  const text = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`
  return { ...ok(problemPage(title, text, error.next ?? [])), status }
}
