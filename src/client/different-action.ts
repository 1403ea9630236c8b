import { Failure } from '../core/failure.ts'
import {
  type ContentComparison,
  contentFormats,
  type DifferentAction,
  type DifferentOutput,
  differenceKinds,
  outputDifferenceKinds,
} from '../core/output-difference.ts'
import type { consoleApi } from '../wire/proto.ts'

/**
 * A non-reproducible action, decoded from its message.
 * @throws Failure 'unimplemented' for values of a later release
 */
export function differentAction(wire: consoleApi.DifferentAction.$Properties): DifferentAction {
  const [first = '', second = ''] = wire.workers ?? []
  const [before = 0, after = 0] = wire.exitCodes ?? []
  return {
    action: wire.action ?? '',
    target: wire.target ?? '',
    mnemonic: wire.mnemonic ?? '',
    workers: [first, second],
    exitCodes: [before, after],
    outputs: (wire.outputs ?? []).map(differentOutput),
    moreOutputs: wire.moreOutputs ?? 0,
  }
}

function differentOutput(wire: consoleApi.DifferentOutput.$Properties): DifferentOutput {
  return {
    path: wire.path ?? '',
    kind: known(outputDifferenceKinds, wire.kind),
    one: wire.one ?? null,
    other: wire.other ?? null,
    contents: wire.contents ? comparison(wire.contents) : null,
  }
}

function comparison(wire: consoleApi.DifferentContents.$Properties): ContentComparison {
  return {
    format: known(contentFormats, wire.format),
    offset: wire.offset ?? 0,
    differences: (wire.differences ?? []).map((each) => ({
      within: each.within ?? [],
      kind: known(differenceKinds, each.kind),
      offset: each.offset ?? null,
      one: each.one ?? null,
      other: each.other ?? null,
    })),
    cut: wire.cut ?? false,
  }
}

function known<T extends string>(words: readonly T[], word: string | null | undefined): T {
  const found = words.find((each) => each === word)
  if (found !== undefined) return found
  throw new Failure('unimplemented', `the console reports a difference ("${word}") that this release does not know`)
}

/** The same as a message. */
export function wireDifferentAction(action: DifferentAction): consoleApi.DifferentAction.$Properties {
  return {
    ...action,
    workers: [...action.workers],
    exitCodes: [...action.exitCodes],
    outputs: action.outputs.map(({ contents, one, other, ...rest }) => ({
      ...rest,
      ...textsOf(one, other),
      ...(contents && { contents: wireComparison(contents) }),
    })),
  }
}

function wireComparison({ differences, ...rest }: ContentComparison): consoleApi.DifferentContents.$Properties {
  return {
    ...rest,
    differences: differences.map(({ within, kind, offset, one, other }) => ({
      within: [...within],
      kind,
      ...(offset !== null && { offset }),
      ...textsOf(one, other),
    })),
  }
}

function textsOf(one: string | null, other: string | null) {
  return { ...(one !== null && { one }), ...(other !== null && { other }) }
}
