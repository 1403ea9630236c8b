import { z } from 'zod'

/**
 * What the process driver and its supervisor exchange: the supervisor's settings file, the record that it keeps, and
 * the requests on its Unix socket (JSON lines, one answer per request). The two may be of different releases, so each
 * carries a version.
 */
export const supervisorVersion = 1
const version = z.literal(supervisorVersion)

/** Characters of one line on the socket: enough for a thousand workers. */
export const supervisorLineLengthMax = 1024 * 1024
/** Servers that one supervisor runs. */
const serversMax = 1024
/** Rotated files of a log that are kept besides the current one. */
export const rotatedLogsMax = 5

/** cas, scheduler, worker-1: also used as a file name. */
const serverName = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/)

/** `native serve supervisor --state FILE`: the file. All paths are absolute. */
export const supervisorSettings = z.strictObject({
  version,
  /** Where it listens; the folder is accessible to this user alone. */
  socket: z.string().min(1),
  /** Folder for the servers' logs. */
  logs: z.string().min(1),
  /** Where it records the servers that should run and the processes that do. */
  record: z.string().min(1),
  /** The command line that each server's arguments are appended to. */
  program: z.array(z.string().min(1)).min(1).max(16),
  log: z.strictObject({ bytesMax: z.number().int().positive() }).prefault({ bytesMax: 10 * 1024 * 1024 }),
})

/** A server that should run. Any difference in it restarts the server. */
const serverSpec = z.strictObject({
  name: serverName,
  role: z.enum(['cas', 'scheduler', 'worker', 'console']),
  /** Appended to the program. */
  args: z.array(z.string()).max(64),
  /** Changes when what the arguments refer to changes: the configuration's text, the release. */
  fingerprint: z.string().max(256),
  address: z.string().nullable(),
  metrics: z.string().nullable(),
  /** Milliseconds between SIGTERM and SIGKILL when it is replaced or removed. */
  drainMs: z.number().int().nonnegative(),
})
const serverSpecs = z.array(serverSpec).max(serversMax)

/**
 * starting: a process runs; running: it has reported that it serves; waiting: it crashed and will be restarted after a
 * pause; draining: asked to end.
 */
const processState = z.enum(['starting', 'running', 'waiting', 'draining', 'stopped'])

const serverProcess = z.strictObject({
  spec: serverSpec,
  state: processState,
  pid: z.number().int().nullable(),
  restarts: z.number().int(),
  /** When its process started, in milliseconds since 1970. */
  since: z.number().nullable(),
  /** How the last process ended ("exit code 2", "signal SIGKILL"), if one did. */
  lastEnd: z.string().nullable(),
})

/** The record file, and what `status` answers. */
export const supervisorStatus = z.strictObject({
  version,
  pid: z.number().int(),
  /** Counts changes, so that a client can wait for the next one. */
  revision: z.number().int(),
  /** What should run; servers that are still draining appear only in `servers`. */
  desired: serverSpecs,
  servers: z.array(serverProcess).max(2 * serversMax),
})

export const supervisorRequest = z.discriminatedUnion('op', [
  /** Makes these the servers to run; answers at once, while the work goes on. */
  z.strictObject({ version, op: z.literal('apply'), servers: serverSpecs }),
  /** Answers when the revision exceeds `after`, or after waitMs. */
  z.strictObject({
    version,
    op: z.literal('status'),
    after: z.number().int().default(-1),
    waitMs: z.number().int().nonnegative().max(60_000).default(0),
  }),
  /** Ends all servers, workers first, each group within graceMs, then itself; answers beforehand. */
  z.strictObject({ version, op: z.literal('stop'), graceMs: z.number().int().nonnegative() }),
])

export const supervisorAnswer = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true), status: supervisorStatus }),
  z.strictObject({ ok: z.literal(false), message: z.string() }),
])

export type SupervisorSettings = z.output<typeof supervisorSettings>
export type ServerSpec = z.output<typeof serverSpec>
export type ServerProcess = z.output<typeof serverProcess>
export type SupervisorStatus = z.output<typeof supervisorStatus>
export type SupervisorRequest = z.input<typeof supervisorRequest>
export type SupervisorAnswer = z.output<typeof supervisorAnswer>

/** A server's log file; 1 and up are rotated files, 1 the most recent. */
export function logFileName(server: string, age = 0): string {
  return age === 0 ? `${server}.log` : `${server}.log.${age}`
}
