import { setTimeout } from 'node:timers/promises'
import { re } from '../../src/wire/proto.ts'
import { type Connection, type Ended, openConnection } from './load/connection.ts'

const pollMs = 2

/** Asks a server for its capabilities until it answers; settles as soon as it has. */
export async function firstAnswer(address: string, msMax = 30_000): Promise<void> {
  const deadline = performance.now() + msMax
  for (;;) {
    const fault = await attempt(address)
    if (!fault) return
    if (performance.now() > deadline) throw new Error(`nothing answers at ${address}: ${fault}`)
    await setTimeout(pollMs)
  }
}

async function attempt(address: string): Promise<string | undefined> {
  let connection: Connection | undefined
  try {
    const broken = Promise.withResolvers<Ended>()
    broken.promise.catch(() => undefined)
    connection = await openConnection(address, broken.reject)
    const answer = ask(connection)
    const { status } = await Promise.race([answer, broken.promise])
    return status === 0 ? undefined : `status ${status}`
  } catch (error) {
    return String(error)
  } finally {
    connection?.close()
  }
}

function ask(connection: Connection): Promise<Ended> {
  const message = re.GetCapabilitiesRequest.encode({ instanceName: '' }).finish()
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])
  const path = '/build.bazel.remote.execution.v2.Capabilities/GetCapabilities'
  return new Promise((resolve) => {
    connection.call({ path, body: [body], bytes: body.length }, false, resolve)
    connection.flush()
  })
}
