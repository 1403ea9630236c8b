import { openDoor } from '../access/door.ts'
import { createInvitations } from '../access/invitations.ts'
import { assertCertificatesAsked } from '../config/access.ts'
import type { SchedulerConfig } from '../config/scheduler.ts'
import { loadSecret } from '../config/secret.ts'
import { Failure } from '../core/failure.ts'
import { digestsMessageBytesMax } from '../core/limits.ts'
import { createScheduler } from '../scheduler/services.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { healthService } from '../wire/health.ts'
import { HttpError, type HttpHandler } from '../wire/http.ts'
import { reflectionServices } from '../wire/reflection.ts'
import { sameUserOnly } from '../wire/same-user.ts'
import { listen } from '../wire/server.ts'
import { countedInstances, instanceNotes } from './instances.ts'
import { createReadiness } from './readiness.ts'
import { allOf, recordingFor } from './recording.ts'
import type { Running, ServeContext } from './running.ts'
import { clientTlsOf, serverTlsOf } from './tls.ts'
import { tracingFor } from './tracing.ts'

/** How far the CAS may send ahead of a client that reads a blob through this server and stops reading. */
const casWindowBytes = 1024 * 1024

/** Points HTTP clients, which want the cache, to its address. */
function pointTo(cas: string): HttpHandler {
  const where = cas.startsWith('unix:') ? `the socket ${cas}` : cas.replace(/^grpc/, 'http')
  return async () => {
    throw new HttpError(421, `this is the scheduler, which speaks gRPC: the cache answers HTTP at ${where}`)
  }
}

/** Workers authenticate with it, and so does this scheduler to the cache. */
function withoutSecret(): Failure {
  return new Failure('invalid', 'with access, the servers need a shared secret to recognize each other', {
    where: 'secret',
    next: [
      'Name one file in the configurations of cache, scheduler and workers; "openssl rand -base64 32" generates a secret.',
    ],
  })
}

/** Execution, Operations, the workers' stream, and a proxy to the CAS for everything of the cache. */
export async function startScheduler(config: SchedulerConfig, context: ServeContext): Promise<Running> {
  const secret = config.secret === undefined ? undefined : await loadSecret(config.secret)
  const admit = config.private ? await sameUserOnly() : undefined
  assertCertificatesAsked(config)
  const tls = await serverTlsOf(config.tls, config.listen, context.log)
  const clientTls = await clientTlsOf(config.client_tls, context.log)
  if (config.access && !secret) throw withoutSecret()
  const door = config.access && (await openDoor(config.access, { listen: config.listen, secret, ...context }))
  const tokens = config.access?.tokens
  const cas = openDirectChannel(config.cas, {
    tls: clientTls,
    windowBytes: casWindowBytes,
    receiveBytesMax: digestsMessageBytesMax,
  })
  const instances = countedInstances(config.instances, context.metrics)
  const recording = recordingFor(config.console, secret, context)
  const tracing = config.otlp && (await tracingFor(config.otlp, 'native-scheduler', context))
  const scheduler = createScheduler({
    cas,
    ...(secret && { secret }),
    guarded: door !== undefined,
    casUrl: config.cas,
    invitations: tokens === undefined ? undefined : createInvitations(tokens, context.clock),
    instances,
    timeouts: { defaultMs: config.timeout.default, maxMs: config.timeout.max },
    leaseMs: config.lease,
    requeuesMax: config.requeues_max,
    workerWaitMs: config.worker_wait,
    updateEveryMs: config.update_every,
    cancelledMs: config.abandon.cancelled,
    lostMs: config.abandon.lost,
    repeatShare: config.repeat,
    queueMax: config.queue_max,
    queueBytesMax: config.queue_bytes_max,
    recorder: allOf([recording?.recorder, tracing?.recorder]),
    ...context,
  })
  const readiness = createReadiness(scheduler.services, true)
  try {
    const { log } = context
    const told = [...scheduler.services, healthService(readiness)]
    const server = await listen([...told, ...reflectionServices(told)], {
      address: config.listen,
      log,
      admit,
      tls,
      door,
      http: pointTo(config.cas),
    })
    return {
      address: server.address,
      ready: readiness.ready,
      notes: () => instanceNotes(instances),
      async drain() {
        readiness.set(false)
        await scheduler.drain(config.drain)
        // Workers keep their streams open for as long as there is a scheduler.
        scheduler.close()
        await server.drain(config.drain)
      },
      async close() {
        readiness.set(false)
        await scheduler.close()
        await server.close()
        await Promise.all([recording?.close(), tracing?.close()])
        door?.close()
        cas.close()
        clientTls?.close()
      },
    }
  } catch (error) {
    await scheduler.close()
    await Promise.all([recording?.close(), tracing?.close()])
    cas.close()
    throw error
  }
}
