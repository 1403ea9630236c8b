import type { LocalHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import { createSemaphore } from '../core/semaphore.ts'
import type { CauseOfMany, Explanation } from '../explain/build.ts'
import type { Explanations } from '../explain/explanations.ts'
import { keepExplanations } from '../explain/kept.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import type { Call, Method } from '../wire/rpc.ts'
import { wireBuild } from './wire.ts'

/** Builds that are explained at once: each reads for seconds, and remembers what it has read. */
const explainedAtOnceMax = 2

/**
 * Explain, next to the database: of ten thousand actions, each is asked for an earlier one and for four messages.
 * @param whole where a build that has ended was explained already, before anybody asked
 */
export function explainMethod(history: LocalHistory, whole: Explanations): Method {
  const semaphore = createSemaphore(explainedAtOnceMax)
  const explainBuild = keepExplanations(history)

  async function explain(bytes: Buffer, { signal }: Call): Promise<Uint8Array> {
    const { build: id, target, hashPrefix, against } = decodeMessage(consoleApi.ExplainRequest, bytes)
    const subject = { ...(target !== '' && { target }), ...(hashPrefix !== '' && { hashPrefix }) }
    const build = (await history.builds({ idPrefix: id, limit: 1_000 })).find((each) => each.id === id)
    if (!build) throw new Failure('not-found', 'there is no such build', { where: id })
    const isMade = target + hashPrefix + against === '' && whole.isFinal(build)
    const explanation = isMade
      ? await whole.of(build, { signal })
      : await semaphore(() => explainBuild(build, { subject, signal, ...(against !== '' && { against }) }))
    // What its client tells of a build may be newer.
    return consoleApi.ExplainResponse.encode(wireExplanation({ ...explanation, build })).finish()
  }

  return { kind: 'unary', handle: explain }
}

function wireExplanation({ build, causes, more, ...rest }: Explanation): consoleApi.ExplainResponse.$Properties {
  return {
    ...rest,
    build: wireBuild(build),
    causes: causes.map(wireCause),
    moreCauses: more.causes,
    moreActions: more.actions,
  }
}

function wireCause({ evictedMs, chain, examples, ...rest }: CauseOfMany): consoleApi.Cause.$Properties {
  return { ...rest, chain: [...chain], examples: [...examples], ...(evictedMs && { evicted: evictedMs }) }
}
