import { Failure } from '../../core/failure.ts'

/** A block of IPv4 addresses: in `first` all bits after the prefix are 0. */
export interface Block {
  /** As a number, 0 to 2^32-1. */
  readonly first: number
  /** 0 to 32. */
  readonly prefix: number
}

const addressPattern = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/

/** @throws Failure 'invalid' for anything but four decimal numbers up to 255 */
export function parseAddress(text: string): number {
  const parts = addressPattern.exec(text)?.slice(1) ?? []
  // A leading zero means octal to some programs and decimal to others.
  const right = parts.length === 4 && parts.every((part) => Number(part) <= 255 && String(Number(part)) === part)
  if (!right) throw new Failure('invalid', `"${text.slice(0, 60)}" is not an IPv4 address`)
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/**
 * Parses `172.20.0.0/16`; bits after the prefix are dropped, as in `172.20.0.1/16`, the form in which docker writes a
 * container's address.
 * @throws Failure 'invalid'
 */
export function parseBlock(text: string): Block {
  const [address = '', prefixText = '', ...more] = text.split('/')
  const prefix = Number(prefixText)
  if (more.length > 0 || !/^\d{1,2}$/.test(prefixText) || prefix > 32)
    throw new Failure('invalid', `"${text.slice(0, 60)}" is not an IPv4 network`, {
      next: ['Write it like 172.20.0.0/16.'],
    })
  const size = 2 ** (32 - prefix)
  return { first: Math.floor(parseAddress(address) / size) * size, prefix }
}

export function blockText({ first, prefix }: Block): string {
  return `${addressText(first)}/${prefix}`
}

/** The number of addresses in it. */
export function sizeOf({ prefix }: Block): number {
  return 2 ** (32 - prefix)
}

/** The last address. */
export function lastOf(block: Block): number {
  return block.first + sizeOf(block) - 1
}

export function contains(block: Block, address: number): boolean {
  return address >= block.first && address <= lastOf(block)
}
