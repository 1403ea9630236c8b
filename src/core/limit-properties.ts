import { Failure } from './failure.ts'
import type { PlatformProperty } from './platform.ts'
import { parseSize, sizeText } from './units.ts'

/** Platform properties by which an action states its limits; memory and disk in bytes. */
export const limitNames = ['memory', 'cpus', 'pids', 'disk'] as const
export type LimitName = (typeof limitNames)[number]

/**
 * The smallest possible limits: with less, the process that starts the action would be killed, or nothing could run.
 * Memory: 4 MiB; processors: the smallest share that the kernel gives out; disk: one block.
 */
export const leastLimits: Readonly<Record<LimitName, number>> = { memory: 4 * 2 ** 20, cpus: 0.01, pids: 1, disk: 4096 }

const examples: Readonly<Record<LimitName, string>> = { memory: '2GiB', cpus: '0.5', pids: '100', disk: '10GB' }

/** An action's limits by name; absent: no limit of its own. */
export type AskedLimits = Readonly<Partial<Record<LimitName, number>>>

/** @returns undefined for any other property, and for a value that is not an amount (`memory=large`), which is a label */
export function limitIn({ name, value }: PlatformProperty): { name: LimitName; amount: number } | undefined {
  const known = limitNames.find((each) => each === name)
  const amount = known && amountOf(known, value)
  return known && amount !== undefined && amount > 0 ? { name: known, amount } : undefined
}

/** If a name occurs several times, the smallest amount applies. */
export function limitsIn(properties: readonly PlatformProperty[]): AskedLimits {
  const limits: Partial<Record<LimitName, number>> = {}
  for (const property of properties) {
    const limit = limitIn(property)
    if (limit) limits[limit.name] = Math.min(limits[limit.name] ?? Number.POSITIVE_INFINITY, limit.amount)
  }
  return limits
}

/** @throws Failure 'invalid' for a limit that nothing can run with */
export function assertLimitsSuffice(properties: readonly PlatformProperty[]): void {
  for (const property of properties) {
    const limit = limitIn(property)
    if (!limit || limit.amount >= leastLimits[limit.name]) continue
    throw new Failure(
      'invalid',
      `the platform property ${property.name}=${property.value} is less than any action can run with`,
      { next: [`Ask for at least ${limitText(limit.name, leastLimits[limit.name])}, or leave it out.`] },
    )
  }
}

/** `2.0 GiB` of memory or disk; other limits are plain numbers. */
export function limitText(name: LimitName, amount: number): string {
  return name === 'memory' || name === 'disk' ? sizeText(amount) : String(amount)
}

/** How an action asks for an amount, if this is the name of a limit; for people. */
export function limitExample(name: string): string | undefined {
  const known = limitNames.find((each) => each === name)
  return known && `${known}=${examples[known]}`
}

function amountOf(name: LimitName, value: string): number | undefined {
  if (name === 'cpus') return /^\d{1,6}(\.\d{1,6})?$/.test(value) ? Number(value) : undefined
  if (name === 'pids') return /^\d{1,9}$/.test(value) ? Number(value) : undefined
  try {
    return parseSize(value)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
