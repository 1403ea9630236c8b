import type { BuildHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import type { LogRecord } from '../core/invocation.ts'
import { parseReadName } from '../wire/resource.ts'
import { page } from './frame.ts'
import { html } from './html.ts'
import { textMarkup } from './printed.ts'
import { buildPath, shortId } from './words.ts'

/** A log named by a client, from the cache, or a note on where else it is. */
export async function logPage(history: BuildHistory, build: string, { name, uri }: LogRecord): Promise<string> {
  const title = `${name} of build ${shortId(build)}`
  const bytes = await loggedBytes(history, uri)
  return page(
    { title, place: 'builds' },
    html`<h1>${title}</h1><p><a href="${buildPath(build)}">The build</a></p>
<p class="mono soft" data-copy>${uri}</p>
${bytes ? textMarkup(bytes) : html`<p>${whyNot(uri)}</p>`}`,
  )
}

/**
 * What a client named as a log, if the cache has it. The host is ignored: a digest of some other cache is simply not here.
 */
export async function loggedBytes(history: BuildHistory, uri: string): Promise<Uint8Array | undefined> {
  const [, name] = /^bytestream:\/\/[^/]+\/(.+)$/.exec(uri) ?? []
  if (name === undefined) return undefined
  try {
    return await history.blob(parseReadName(name).digest)
  } catch (error) {
    if (error instanceof Failure && (error.kind === 'invalid' || error.kind === 'not-found')) return undefined
    throw error
  }
}

function whyNot(uri: string): string {
  if (uri.startsWith('file://'))
    return 'It is on the machine of the client, and was not uploaded: with --remote_cache or --remote_executor of this cluster, Bazel uploads logs of tests.'
  if (uri.startsWith('bytestream://'))
    return 'The cache of this cluster does not have it: it was evicted, is larger than 4 MB, or is in another cache.'
  return 'Its address is not one of a cache.'
}
