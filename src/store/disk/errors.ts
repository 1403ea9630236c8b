import { errnoOf, Failure, type FailureKind, messageOf } from '../../core/failure.ts'

interface Meaning {
  readonly kind: FailureKind
  readonly says: string
  readonly next: readonly string[]
}

const full: Meaning = {
  kind: 'exhausted',
  says: 'the disk is full, although the store is within its size',
  next: ['Free space on the disk that holds the store, or give it a smaller size.'],
}
const tooManyFiles: Meaning = {
  kind: 'unavailable',
  says: 'too many files are open',
  next: ['Raise the limit of open files (ulimit -n).'],
}
const refused: Meaning = {
  kind: 'denied',
  says: 'the operating system does not allow it',
  next: ['Give the store a folder that its user may write to.'],
}
const meanings: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: full,
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
  EACCES: refused,
  EPERM: refused,
  EROFS: refused,
  EIO: { kind: 'unavailable', says: 'the disk reports an error', next: ['Look at the kernel log (dmesg).'] },
}

/**
 * What a system error means for the store.
 * @param doing what was being done, as in "writing to a segment"
 */
export function diskFailure(error: unknown, doing: string, where: string): Failure {
  if (error instanceof Failure) return error
  const meaning = meanings[errnoOf(error) ?? '']
  if (!meaning) return new Failure('internal', `${doing}: ${messageOf(error)}`, { where, cause: error })
  return new Failure(meaning.kind, `${doing}: ${meaning.says}`, { where, next: meaning.next, cause: error })
}
