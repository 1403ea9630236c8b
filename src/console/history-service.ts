import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { digestFromWire } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Explanations } from '../explain/explanations.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import type { Service } from '../wire/rpc.ts'
import { explainMethod } from './explain-service.ts'
import type { History } from './history.ts'
import { listAnswer } from './list-answer.ts'
import { outcomesOf, wireAction, wireBuild } from './wire.ts'

const buildsMax = 1_000
const earlierMax = 1_000
/** Typically 1 MB of messages. */
const actionsMax = 2_000
const repeatsMax = 1_000

/** native.console.v1.History: queries about builds. */
export function historyService(history: History, local: LocalHistory, explanations: Explanations): Service {
  function listBuilds(bytes: Buffer): Uint8Array {
    const { limit, idPrefix, skip } = decodeMessage(consoleApi.ListBuildsRequest, bytes)
    const query = { limit: limitOf(limit, 20, buildsMax), idPrefix }
    const builds = history.use(({ queries }) => queries.builds(query))
    const answer = consoleApi.ListBuildsResponse
    return listAnswer(
      builds.slice(skipOf(skip)),
      (build) => answer.encode({ builds: [wireBuild(build)] }).finish(),
      answer.encode({ more: true }).finish(),
    )
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
    const { row, limit, skip } = decodeMessage(consoleApi.ListEarlierRequest, bytes)
    const actions = history.use(({ queries }) => queries.earlier(row, limitOf(limit, 10, earlierMax)))
    return actionsAnswer(actions.slice(skipOf(skip)))
  }

  function listProducers(bytes: Buffer): Uint8Array {
    const { path, build, before, limit, skip } = decodeMessage(consoleApi.ListProducersRequest, bytes)
    const query = {
      path,
      ...(build !== '' && { build }),
      ...(before !== 0 && { before }),
      limit: limitOf(limit, 10, earlierMax),
    }
    return actionsAnswer(history.use(({ queries }) => queries.producers(query)).slice(skipOf(skip)))
  }

  function listRepeats(bytes: Buffer): Uint8Array {
    const { build, limit, skip } = decodeMessage(consoleApi.ListRepeatsRequest, bytes)
    const range = { limit: limitOf(limit, 100, repeatsMax), skip: skipOf(skip) }
    const answer = consoleApi.ListRepeatsResponse
    return history.use(({ repeats }) =>
      listAnswer(
        repeats.list(build, range),
        (action) => answer.encode({ actions: [action] }).finish(),
        answer.encode({ more: true }).finish(),
      ),
    )
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
  const answer = consoleApi.ListActionsResponse
  return listAnswer(
    actions,
    (action) => answer.encode({ actions: [wireAction(action)] }).finish(),
    answer.encode({ more: true }).finish(),
  )
}

/** @throws Failure 'invalid' */
function limitOf(limit: number, usual: number, max: number): number {
  if (limit === 0) return usual
  if (limit > 0 && limit <= max) return limit
  throw new Failure('invalid', `limit: ${limit} is not from 1 to ${max}`)
}

/** @throws Failure 'invalid' */
function skipOf(skip: number): number {
  if (skip >= 0) return skip
  throw new Failure('invalid', `skip: ${skip} is negative`)
}
