import { systemClock } from '../../core/clock.ts'
import { createLog } from '../../telemetry/log.ts'
import { readSettings, runSupervisor } from './run.ts'

/**
 * Runs the supervisor in this process until SIGTERM or SIGINT has ended it and its servers.
 * @param settingsFile config/supervisor.ts says what it contains
 * @throws Failure 'invalid' for another file, 'exists' when another supervisor has the socket
 */
export async function supervise(settingsFile: string): Promise<void> {
  const log = createLog({ level: 'info', format: 'json', name: 'supervisor' })
  const settings = readSettings(settingsFile)
  const { stop, done } = await runSupervisor({ settings, pid: process.pid, clock: systemClock, log })
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  await done
}
