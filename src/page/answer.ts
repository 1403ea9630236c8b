import { Failure } from '../core/failure.ts'
import { problemPage } from './frame.ts'

/** What a page answers with: a text, or a blob that comes in pieces. */
export type Answer = TextAnswer | BlobAnswer

export interface TextAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly location?: string
}

/** A file to be saved, never shown: its bytes are foreign. */
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

/** The page of a failure. @throws what is a bug */
export function problem(error: unknown): TextAnswer {
  if (!(error instanceof Failure)) throw error
  const status = error.kind === 'not-found' ? 404 : error.kind === 'invalid' ? 400 : 503
  const title = status === 503 ? 'This cannot be told now' : 'Nothing found'
  const text = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`
  return { ...ok(problemPage(title, text, error.next ?? [])), status }
}
