import { decodeMessage } from './decode.ts'
import { health } from './proto.ts'
import { Code, RpcError, type Service } from './rpc.ts'

/** The source of health checks' answers. */
export interface HealthSource {
  /** undefined for an unknown service; '' is the server as a whole. */
  status(service: string): 'serving' | 'not-serving' | undefined
  /** Calls back after every change; the returned function stops that. */
  watch(changed: () => void): () => void
}

const { ServingStatus } = health.HealthCheckResponse

/** grpc.health.v1.Health, as its proto's comments specify it. */
export function healthService(source: HealthSource): Service {
  return {
    name: 'grpc.health.v1.Health',
    methods: {
      Check: {
        kind: 'unary',
        handle(request) {
          const { service } = decodeMessage(health.HealthCheckRequest, request)
          const status = source.status(service)
          if (!status) throw new RpcError(Code.NOT_FOUND, `unknown service ${service.slice(0, 200)}`)
          return encode(status)
        },
      },
      Watch: {
        kind: 'server-stream',
        async handle(request, call, send) {
          const { service } = decodeMessage(health.HealthCheckRequest, request)
          const changes = createChanges(source, call.signal)
          let told: string | undefined
          try {
            while (!call.signal.aborted) {
              const status = source.status(service) ?? 'unknown'
              if (status !== told) await send(encode(status))
              told = status
              await changes.next()
            }
          } finally {
            changes.end()
          }
        },
      },
    },
  }
}

function encode(status: 'serving' | 'not-serving' | 'unknown'): Uint8Array {
  const value = {
    serving: ServingStatus.SERVING,
    'not-serving': ServingStatus.NOT_SERVING,
    unknown: ServingStatus.SERVICE_UNKNOWN,
  }[status]
  return health.HealthCheckResponse.encode({ status: value }).finish()
}

/** Waits for the next change, including one that came while nobody was waiting; several at once count as one. */
function createChanges(source: HealthSource, signal: AbortSignal) {
  let changed = false
  let wake: (() => void) | undefined
  const notify = () => {
    changed = true
    wake?.()
  }
  const stop = source.watch(notify)
  signal.addEventListener('abort', notify)
  return {
    async next(): Promise<void> {
      if (!changed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      changed = false
      wake = undefined
    },
    end(): void {
      stop()
      signal.removeEventListener('abort', notify)
    },
  }
}
