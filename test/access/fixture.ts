import { onTestFinished } from 'vitest'
import { openDoor, type WatchingDoor } from '../../src/access/door.ts'
import { createToken, ensureTokens, type TokenWish } from '../../src/access/tokens-file.ts'
import { accessConfig } from '../../src/config/access.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Secret } from '../../src/core/secret.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import type { Exchange, HttpHandler } from '../../src/wire/http.ts'
import { authorizedChannel } from '../../src/wire/identity.ts'
import { type Channel, RpcError, type Service } from '../../src/wire/rpc.ts'
import { type ListenOptions, listen } from '../../src/wire/server.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'

export interface TestDoor {
  readonly door: WatchingDoor
  readonly metrics: ReturnType<typeof createMetrics>
}

/** The door that an `access:` block describes; closed after the test. */
export async function testDoor(
  access: object,
  { listen: where = '127.0.0.1:0', secret, log = quietLog }: { listen?: string; secret?: Secret; log?: Log } = {},
): Promise<TestDoor> {
  const metrics = createMetrics()
  const door = await openDoor(accessConfig.parse(access), { listen: where, secret, clock: systemClock, log, metrics })
  onTestFinished(() => door.close())
  return { door, metrics }
}

/** A tokens file, and a token for each wish. */
export async function testTokens(
  ...request: readonly Partial<TokenWish>[]
): Promise<{ file: string; tokens: string[] }> {
  const file = `${await testFolder()}/tokens.json`
  await ensureTokens(file, systemClock)
  const tokens: string[] = []
  for (const [at, wish] of request.entries()) {
    const made = await createToken(file, { name: `token-${at}`, role: 'reader', expiresMs: null, ...wish }, systemClock)
    tokens.push(made.token)
  }
  return { file, tokens }
}

export interface TestServer {
  readonly address: string
  /** Calls with these credentials. */
  as(authorization: string | undefined): Channel
}

/** A real server with this door in front. */
export async function guardedServer(
  services: readonly Service[],
  door: ListenOptions['door'],
  http?: {
    handle: HttpHandler
    operationOf: (exchange: Exchange) => ReturnType<NonNullable<ListenOptions['operationOf']>>
  },
): Promise<TestServer> {
  const server = await listen(services, {
    address: '127.0.0.1:0',
    door,
    ...(http && { http: http.handle, operationOf: http.operationOf }),
  })
  const channels: Channel[] = []
  onTestFinished(async () => {
    for (const channel of channels) channel.close()
    await server.close()
  })
  return {
    address: server.address,
    as(authorization) {
      const channel = openDirectChannel(`grpc://${server.address}`)
      channels.push(channel)
      return authorizedChannel(channel, () => authorization)
    },
  }
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** The code of a call's end; 0 where it ended well. */
export async function codeOf(call: Promise<unknown>): Promise<number> {
  return (await endOf(call))?.code ?? 0
}

/** The error of a call's end. */
export async function endOf(call: Promise<unknown>): Promise<RpcError | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    if (error instanceof RpcError) return error
    throw error
  }
}
