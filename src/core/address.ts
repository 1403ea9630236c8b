import { Failure } from './failure.ts'

/** Where something listens: an IPv6 host stands without its brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/**
 * The parts of `host:port`; an IPv6 host stands in brackets.
 * @throws Failure 'invalid'
 */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !(port <= 65_535))
    throw new Failure('invalid', `"${text}" is no address: write it like 127.0.0.1:50051 or [::1]:50051`)
  return { host, port }
}

/** The way back. */
export function hostPortText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
