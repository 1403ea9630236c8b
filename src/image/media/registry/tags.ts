import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import { listOf, text } from '../../go-json.ts'
import { checked, parseJson } from '../../manifest.ts'
import { answerBytes } from './answers.ts'
import { nextPage } from './next-page.ts'
import { type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'

const tagsPerPage = 1000
const tagsMax = 1_000_000
const pagesMax = 10_000
const pageBytesMax = 32 * 1024 * 1024
const schema = z.preprocess((value) => value ?? {}, z.looseObject({ tags: listOf(text(256), tagsMax) }))

/**
 * The tags of the repository, in the registry's order, all pages (distribution-spec, "Listing Tags").
 * @throws Failure 'not-found' without such a repository, 'exhausted' for more than a million, 'denied', 'unavailable'
 */
export async function fetchTags(session: Session, retry: RetryOptions): Promise<readonly string[]> {
  const where = `${session.registry}/${session.repository}`
  const found = new Set<string>()
  let url: string | undefined = `/v2/${session.repository}/tags/list?n=${tagsPerPage}`
  for (let pages = 0; url !== undefined; pages += 1) {
    const at: string = url
    const { tags, next } = await withRetries(async () => {
      const answer = await session.send({ method: 'GET', url: at, doing: 'list tags', expected: [200] })
      const bytes = await answerBytes(answer, pageBytesMax)
      const page = checked(schema, parseJson(bytes, 'the list of tags', where), 'the list of tags', where)
      return { tags: page.tags, next: nextPage(answer) }
    }, retry)
    for (const each of tags) found.add(each)
    if (found.size > tagsMax || pages > pagesMax)
      throw new Failure('exhausted', `the repository has more than ${tagsMax} tags`, { where })
    url = next
  }
  return [...found]
}
