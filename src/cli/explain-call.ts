import { buildRecord } from '../client/build-history.ts'
import { Failure } from '../core/failure.ts'
import type { Explanation } from '../explain/build.ts'
import type { CauseOfMany } from '../explain/cause.ts'
import { causeKinds } from '../explain/cause.ts'
import type { Found } from '../explain/find.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'

/** A build of 100,000 actions takes less than a minute. */
const callMsMax = 10 * 60_000

/**
 * Asks the console to explain a build.
 * @param against compares with this build only; its full id
 * @throws RpcError of the call
 */
export async function askToExplain(
  channel: Channel,
  { build, subject }: Found,
  against: string | undefined,
  signal: AbortSignal,
): Promise<Explanation> {
  const request = consoleApi.ExplainRequest.encode({ build: build.id, ...subject, against: against ?? '' }).finish()
  const options = { timeoutMs: callMsMax, signal }
  const answer = await channel.unary('native.console.v1.History/Explain', request, options)
  const wire = decodeMessage(consoleApi.ExplainResponse, answer)
  return {
    build: buildRecord(wire.build ?? {}),
    actions: wire.actions,
    hits: wire.hits,
    causes: wire.causes.map(causeOf),
    more: { causes: wire.moreCauses, actions: wire.moreActions },
    unread: wire.unread,
    cut: wire.cut,
  }
}

function causeOf(wire: consoleApi.Cause.$Properties): CauseOfMany {
  return {
    kind: kindOf(wire.kind ?? ''),
    subject: wire.subject ?? '',
    one: wire.one ?? null,
    other: wire.other ?? null,
    actions: wire.actions ?? 0,
    notAlone: wire.notAlone ?? 0,
    direct: wire.direct ?? 0,
    seconds: wire.seconds ?? 0,
    chain: (wire.chain ?? []).map(({ target, mnemonic, action, path }) => ({
      target: target ?? '',
      mnemonic: mnemonic ?? '',
      action: action ?? '',
      path: path ?? '',
    })),
    examples: (wire.examples ?? []).map(({ target, mnemonic, action, output, seconds, against }) => ({
      target: target ?? '',
      mnemonic: mnemonic ?? '',
      action: action ?? '',
      output: output ?? '',
      seconds: seconds ?? 0,
      against: against ?? null,
    })),
    against: wire.against ? { build: wire.against.build ?? '', seen: wire.against.seen ?? 0 } : null,
    evictedMs: wire.evicted ? { least: wire.evicted.least ?? 0, most: wire.evicted.most ?? 0 } : null,
  }
}

/** @throws Failure 'unimplemented' for a kind that a later release has added */
function kindOf(kind: string): CauseOfMany['kind'] {
  const known = causeKinds.find((each) => each === kind)
  if (known) return known
  throw new Failure('unimplemented', `the console reports a cause ("${kind}") that this release does not know`)
}
