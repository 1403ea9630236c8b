import { readFile } from 'node:fs/promises'
import { openDoor } from '../access/door.ts'
import type { ConsoleConfig } from '../config/console.ts'
import { loadSecret } from '../config/secret.ts'
import { createConsole } from '../console/services.ts'
import { ifThere } from '../host/files.ts'
import { createPages } from '../page/handler.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { healthService } from '../wire/health.ts'
import type { Exchange } from '../wire/http.ts'
import { identifiedChannel } from '../wire/identity.ts'
import { reflectionServices } from '../wire/reflection.ts'
import { sameUserOnly } from '../wire/same-user.ts'
import { listen } from '../wire/server.ts'
import { openPageSources } from './page-sources.ts'
import { createReadiness } from './readiness.ts'
import type { Running, ServeContext } from './running.ts'
import { clientTlsOf } from './tls.ts'

const msPerDay = 24 * 3_600_000

/** The pages count as one resource, which is only read. */
const operationOf = ({ method }: Pick<Exchange, 'method'>) => ({
  name: `http/console ${method === 'HEAD' ? 'GET' : method}`,
  instance: '',
})

/**
 * Where the build puts the browser script, `dist/page.js`: relative to the servers' bundle, and to that of the commands.
 */
const scriptFiles = ['../page.js', '../../page.js'].map((each) => new URL(each, import.meta.url))

/** The browser script; undefined when running from source, where the pages do without it. */
async function browserScript(): Promise<string> {
  for (const file of scriptFiles) {
    const text = await ifThere(readFile(file, 'utf8'))
    if (text !== undefined) return text
  }
  return ''
}

/** The build history: fed by the cache and the scheduler, queried by commands. */
export async function startConsole(config: ConsoleConfig, context: ServeContext): Promise<Running> {
  const { log } = context
  const secret = config.secret === undefined ? undefined : await loadSecret(config.secret)
  const admit = config.private ? await sameUserOnly() : undefined
  const door = config.access && (await openDoor(config.access, { listen: config.listen, secret, ...context }))
  const tls = await clientTlsOf(config.client_tls, log)
  const plain = openDirectChannel(config.cas, { tls })
  const cas = secret ? identifiedChannel(plain, secret, 'worker', context.clock.now) : plain
  const console = createConsole({
    folder: config.path,
    bounds: { bytesMax: config.history.size, ageMsMax: config.history.days * msPerDay },
    cas,
    secret,
    ...context,
  })
  const readiness = createReadiness(console.services, true)
  const sources = openPageSources(config, { tls, secret, clock: context.clock, log })
  const { close: closeSources, ...asked } = sources
  const { history, explanations } = console
  const pages = createPages({ history, explanations, ...asked, clock: context.clock, script: await browserScript() })
  function closeAll(): void {
    pages.endStreams()
    closeSources()
    console.close()
    door?.close()
    cas.close()
    tls?.close()
  }
  try {
    const told = [...console.services, healthService(readiness)]
    const server = await listen([...told, ...reflectionServices(told)], {
      address: config.listen,
      log,
      admit,
      door,
      http: pages.handle,
      operationOf,
    })
    return {
      address: server.address,
      ready: readiness.ready,
      notes: () => console.notes(),
      async drain() {
        readiness.set(false)
        // Open pages would keep following events for as long as they can.
        pages.endStreams()
        await server.drain(config.drain)
      },
      async close() {
        readiness.set(false)
        await server.close()
        closeAll()
      },
    }
  } catch (error) {
    closeAll()
    throw error
  }
}
