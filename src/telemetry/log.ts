import { type DestinationStream, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'

/** Records events, with facts as fields. */
export interface Log {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
  /** A log whose every line carries these fields too. */
  child(fields: object): Log
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** `json` for programs, `pretty` for people. */
  readonly format: 'json' | 'pretty'
  /** The server's name: the field `name` of every line. */
  readonly name: string
  /** Where lines go; standard output if absent. */
  readonly destination?: DestinationStream
}

/**
 * A log that writes each line before it returns, so that none is lost when the process ends. An error in the field
 * `error` is written with its stack and causes.
 */
export function createLog({
  level,
  format,
  name,
  destination = pino.destination({ fd: 1, sync: true }),
}: LogOptions): Log {
  return wrap(
    pino(
      {
        name,
        level,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.errWithCause },
      },
      format === 'pretty' ? prettyLines(destination) : destination,
    ),
  )
}

function prettyLines(destination: DestinationStream): DestinationStream {
  const text = prettyFactory({ colorize: false, ignore: 'pid,hostname' })
  return { write: (line) => destination.write(text(line)) }
}

interface PinoLike {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): PinoLike
}

function wrap(logger: PinoLike): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  }
}
