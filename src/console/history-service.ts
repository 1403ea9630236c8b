import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { digestFromWire } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Explanations } from '../explain/explanations.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import type { Service } from '../wire/rpc.ts'
import { explainMethod } from './explain-service.ts'
import type { History } from './history.ts'
import { outcomesOf, wireAction, wireBuild } from './wire.ts'

const buildsMax = 1_000
const earlierMax = 1_000
/** Some 1 MB of messages. */
const actionsMax = 2_000
const repeatsMax = 1_000

/** native.console.v1.History: what is asked of builds. */
export function historyService(history: History, local: LocalHistory, explanations: Explanations): Service {
  function listBuilds(bytes: Buffer): Uint8Array {
    const { limit, idPrefix } = decodeMessage(consoleApi.ListBuildsRequest, bytes)
    const query = { limit: limitOf(limit, 20, buildsMax), idPrefix }
    const builds = history.use(({ queries }) => queries.builds(query))
    return consoleApi.ListBuildsResponse.encode({ builds: builds.map(wireBuild) }).finish()
  }

  function listActions(bytes: Buffer): Uint8Array {
    const { build, outcomes, target, mnemonic, hashPrefix, limit, after } = decodeMessage(
      consoleApi.ListActionsRequest,
      bytes,
    )
    const query = {
      build,
      ...(outcomes.length > 0 && { outcomes: outcomesOf(outcomes) }),
      ...(target !== '' && { target }),
      ...(mnemonic !== '' && { mnemonic }),
      ...(hashPrefix !== '' && { hashPrefix }),
      limit: limitOf(limit, 1_000, actionsMax),
      after,
    }
    return actionsAnswer(history.use(({ queries }) => queries.actions(query)))
  }

  function listEarlier(bytes: Buffer): Uint8Array {
    const { row, limit } = decodeMessage(consoleApi.ListEarlierRequest, bytes)
    return actionsAnswer(history.use(({ queries }) => queries.earlier(row, limitOf(limit, 10, earlierMax))))
  }

  function listProducers(bytes: Buffer): Uint8Array {
    const { path, build, before, limit } = decodeMessage(consoleApi.ListProducersRequest, bytes)
    const query = {
      path,
      ...(build !== '' && { build }),
      ...(before !== 0 && { before }),
      limit: limitOf(limit, 10, earlierMax),
    }
    return actionsAnswer(history.use(({ queries }) => queries.producers(query)))
  }

  function listRepeats(bytes: Buffer): Uint8Array {
    const { build, limit } = decodeMessage(consoleApi.ListRepeatsRequest, bytes)
    const actions = history.use(({ repeats }) => repeats.list(build, limitOf(limit, 100, repeatsMax)))
    return consoleApi.ListRepeatsResponse.encode({ actions }).finish()
  }

  async function getBlob(bytes: Buffer): Promise<Uint8Array> {
    const request = decodeMessage(consoleApi.GetBlobRequest, bytes)
    const digest = digestFromWire(request.digest, request.digestFunction, 'digest')
    const data = await local.blob(digest)
    if (!data) throw new Failure('not-found', 'neither the history nor the cache has the blob', { where: digest.hash })
    return consoleApi.GetBlobResponse.encode({ data }).finish()
  }

  return {
    name: 'native.console.v1.History',
    methods: {
      ListBuilds: { kind: 'unary', handle: listBuilds },
      ListActions: { kind: 'unary', handle: listActions },
      ListEarlier: { kind: 'unary', handle: listEarlier },
      ListProducers: { kind: 'unary', handle: listProducers },
      ListRepeats: { kind: 'unary', handle: listRepeats },
      GetBlob: { kind: 'unary', handle: getBlob },
      Explain: explainMethod(local, explanations),
    },
  }
}

function actionsAnswer(actions: readonly ActionRecord[]): Uint8Array {
  return consoleApi.ListActionsResponse.encode({ actions: actions.map(wireAction) }).finish()
}

/** @throws Failure 'invalid' */
function limitOf(limit: number, usual: number, max: number): number {
  if (limit === 0) return usual
  if (limit > 0 && limit <= max) return limit
  throw new Failure('invalid', `limit: ${limit} is not from 1 to ${max}`)
}
