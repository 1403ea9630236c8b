import type { LocalHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import { createSemaphore } from '../core/semaphore.ts'
import type { Explanation } from '../explain/build.ts'
import type { CauseOfMany } from '../explain/cause.ts'
import type { Explanations } from '../explain/explanations.ts'
import { keepExplanations } from '../explain/kept.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import type { Call, Method } from '../wire/rpc.ts'
import { answerBytesMax } from './list-answer.ts'
import { wireBuild } from './wire.ts'

/** Builds explained at once: each reads for seconds, and caches what it has read. */
const explainedAtOnceMax = 2

/**
 * Explain, next to the database: each of ten thousand actions needs a predecessor and four messages.
 * @param explanations has builds explained already when they ended, before anybody asked
 */
export function explainMethod(history: LocalHistory, explanations: Explanations): Method {
  const semaphore = createSemaphore(explainedAtOnceMax)
  const explainBuild = keepExplanations(history)

  async function explain(bytes: Buffer, { signal }: Call): Promise<Uint8Array> {
    const { build: id, target, hashPrefix, against } = decodeMessage(consoleApi.ExplainRequest, bytes)
    const subject = { ...(target !== '' && { target }), ...(hashPrefix !== '' && { hashPrefix }) }
    const build = (await history.builds({ idPrefix: id, limit: 1_000 })).find((each) => each.id === id)
    if (!build) throw new Failure('not-found', 'there is no such build', { where: id })
    const isWhole = target + hashPrefix === ''
    const settled = isWhole && against === '' ? explanations.settled(build) : undefined
    const compared = against !== '' && { against }
    const explanation = explanations.hasSettled(build)
      ? await explanations.of(build, { signal, ...compared, ...(!isWhole && { subject }) })
      : await semaphore(() => explainBuild(build, { subject, signal, settled, ...compared }))
    // What its client reports of the build may be newer.
    return consoleApi.ExplainResponse.encode(wireExplanation({ ...explanation, build })).finish()
  }

  return { kind: 'unary', handle: explain }
}

/** What does not fit into a response (causes with long chains of actions with long names) is counted. */
function wireExplanation({ build, causes, more, ...rest }: Explanation): consoleApi.ExplainResponse.$Properties {
  const named: consoleApi.Cause.$Properties[] = []
  const wire = { ...rest, build: wireBuild(build) }
  let bytes = consoleApi.ExplainResponse.encode(wire).finish().length
  for (const cause of causes.map(wireCause)) {
    bytes += consoleApi.ExplainResponse.encode({ causes: [cause] }).finish().length
    if (bytes > answerBytesMax) break
    named.push(cause)
  }
  const left = causes.slice(named.length)
  const moreActions = left.reduce((sum, { actions }) => sum + actions, more.actions)
  return { ...wire, causes: named, moreCauses: more.causes + left.length, moreActions }
}

function wireCause({ evictedMs, chain, examples, ...rest }: CauseOfMany): consoleApi.Cause.$Properties {
  return { ...rest, chain: [...chain], examples: [...examples], ...(evictedMs && { evicted: evictedMs }) }
}
