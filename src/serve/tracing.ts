import type { Recording } from '../client/record.ts'
import type { OtlpConfig } from '../config/scheduler.ts'
import type { ServeContext } from './running.ts'

/**
 * Traces of the builds that a server hears of. Its code is loaded only if configured.
 * @param service its name in the traces
 */
export async function tracingFor(otlp: OtlpConfig, service: string, context: ServeContext): Promise<Recording> {
  const { createSpanExporter } = await import('../telemetry/otlp.ts')
  const { createTraces } = await import('../client/traces.ts')
  const exporter = createSpanExporter({ ...otlp, service, ...context })
  const traces = createTraces(exporter, context.clock)
  return {
    recorder: traces.recorder,
    async close() {
      traces.close()
      await exporter.close()
    },
  }
}
