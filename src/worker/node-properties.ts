import { execFile } from 'node:child_process'
import { chmodSync, lstatSync, utimesSync } from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf, Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import { fromTimestamp } from '../wire/time.ts'

/** The node properties that this worker reads and sets. */
const knownNodeProperties = ['mtime', 'unix_mode'] as const
const nanosPerSecond = 1_000_000_000n

/** @throws Failure 'invalid' when the Command asks for an unknown one (rule 40) */
export function checkNodeProperties(command: re.Command.$Properties): void {
  const known: readonly string[] = knownNodeProperties
  for (const name of command.outputNodeProperties ?? [])
    if (!known.includes(name))
      throw new Failure('invalid', `output_node_properties: ${JSON.stringify(name)} is not supported`, {
        next: [`Supported are ${known.join(' and ')}.`],
      })
}

/** Do these change anything about a file? Others only say what it is for, like Bazel's `bazel_tool_input`. */
export function setsAnything(properties: re.NodeProperties.$Properties | null | undefined): boolean {
  return properties != null && (properties.mtime != null || properties.unixMode != null)
}

/** The properties of a file or symlink that the Command asks for; nothing unless it does (rule 40). */
export function nodePropertiesOf(
  path: string,
  command: re.Command.$Properties,
): { nodeProperties?: re.NodeProperties.$Properties } {
  const names = command.outputNodeProperties ?? []
  if (names.length === 0) return {}
  const stats = lstatSync(path, { bigint: true })
  return {
    nodeProperties: {
      ...(names.includes('mtime') && { mtime: timestampOf(stats.mtimeNs) }),
      ...(names.includes('unix_mode') && { unixMode: { value: Number(stats.mode & 0o777n) } }),
    },
  }
}

/** Modification times that Node's own calls cannot set, and the files that want them. */
export type FineTimes = Map<string, string[]>

/**
 * Sets a file's properties as its node says. Node sets a time as a double of seconds, which for present times is
 * precise to a quarter of a microsecond: times that need more are collected for setFineTimes.
 * @throws Failure 'invalid' for a malformed time
 */
export function applyNodeProperties(path: string, properties: re.NodeProperties.$Properties, fine: FineTimes): void {
  const mode = properties.unixMode?.value
  if (mode != null) chmodSync(path, mode & 0o777)
  if (!properties.mtime) return
  fromTimestamp(properties.mtime, 'node_properties.mtime')
  const { seconds, nanos } = properties.mtime
  const wanted = BigInt(seconds ?? 0) * nanosPerSecond + BigInt(nanos ?? 0)
  // As text, since Node takes a negative number for the present time.
  const text = secondsText(wanted)
  utimesSync(path, text, text)
  if (lstatSync(path, { bigint: true }).mtimeNs !== wanted) fine.set(text, [...(fine.get(text) ?? []), path])
}

/** Keeps command lines within their length limit. */
const filesPerCallMax = 100
const differentTimesMax = 1000

/** Sets modification times to the nanosecond, with the machine's touch, where that supports it. */
export async function setFineTimes(fine: FineTimes): Promise<void> {
  for (const [text, paths] of [...fine].slice(0, differentTimesMax))
    for (let at = 0; at < paths.length; at += filesPerCallMax) await touch(text, paths.slice(at, at + filesPerCallMax))
}

async function touch(seconds: string, paths: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('touch', ['-d', `@${seconds}`, '--', ...paths])
  } catch (error) {
    // No touch, or not GNU's: the time that Node has set is the nearest available.
    if (errnoOf(error) !== 'ENOENT' && !isExit(error)) throw error
  }
}

function isExit(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
}

/** Seconds since 1970 as a decimal number, with all nine digits of its fraction. */
function secondsText(ns: bigint): string {
  const size = ns < 0n ? -ns : ns
  return `${ns < 0n ? '-' : ''}${size / nanosPerSecond}.${String(size % nanosPerSecond).padStart(9, '0')}`
}

/** A google.protobuf.Timestamp; its nanos are never negative, not even before 1970. */
function timestampOf(ns: bigint): { seconds: number; nanos: number } {
  const nanos = ((ns % nanosPerSecond) + nanosPerSecond) % nanosPerSecond
  return { seconds: Number((ns - nanos) / nanosPerSecond), nanos: Number(nanos) }
}
