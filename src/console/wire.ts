import { outcomeValues } from '../client/build-history.ts'
import {
  type ActionOutcome,
  type ActionRecord,
  actionOutcomes,
  type BuildRecord,
  lookupAnswers,
} from '../core/build-history.ts'
import { type Digest, digestFunctions } from '../core/digest.ts'
import type { consoleApi } from '../wire/proto.ts'

export function wireBuild(build: BuildRecord): consoleApi.Build.$Properties {
  const { correlatedId, instance, told, ...rest } = build
  const wireTold = told && { ...told, patterns: [...told.patterns] }
  return { ...rest, correlatedId, instanceName: instance, ...(wireTold && { told: wireTold }) }
}

/** The outcomes in a query; unknown ones are left out. */
export function outcomesOf(values: readonly consoleApi.Outcome[]): ActionOutcome[] {
  return actionOutcomes.filter((outcome) => values.includes(outcomeValues[outcome]))
}

export function wireAction(action: ActionRecord): consoleApi.Action.$Properties {
  const { digest, command, inputRoot, instance, outcome, lookup, times, ...rest } = action
  return {
    ...rest,
    instanceName: instance,
    digestFunction: digestFunctions[digest.fn].value,
    digest: wireDigest(digest),
    ...(command && { commandDigest: wireDigest(command) }),
    ...(inputRoot && { inputRootDigest: wireDigest(inputRoot) }),
    outcome: outcomeValues[outcome],
    ...(lookup && {
      asked: {
        answer: lookupAnswers.indexOf(lookup.answer),
        missingHash: lookup.missing?.hash ?? '',
        missingSize: lookup.missing?.size ?? 0,
        evictedAgo: lookup.evictedMs ?? 0,
      },
    }),
    times: { ...times },
  }
}

function wireDigest({ hash, size }: Digest): { hash: string; sizeBytes: number } {
  return { hash, sizeBytes: size }
}
