import { Failure } from '../../core/failure.ts'

/** Without SOURCE_DATE_EPOCH: one second after the epoch, since some tools take 0 for "unknown". */
const usual = 1

/**
 * SOURCE_DATE_EPOCH in seconds (reproducible-builds.org/specs/source-date-epoch).
 * @throws Failure 'invalid'
 */
export function epochOf(text: string | undefined): number {
  if (text === undefined || text === '') return usual
  const seconds = Number(text)
  if (/^\d{1,10}$/.test(text) && seconds <= 0o77777777777) return seconds
  throw new Failure('invalid', `"${text.slice(0, 50)}" is not a number of seconds since 1970`, {
    where: 'SOURCE_DATE_EPOCH',
  })
}
