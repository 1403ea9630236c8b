import { Failure, type FailureKind } from '../core/failure.ts'

interface Meaning {
  readonly kind: FailureKind
  readonly says: string
  readonly next: string
}

const full: Meaning = {
  kind: 'exhausted',
  says: 'the disk is full',
  next: 'Free space on it, or choose a place on another one.',
}
const manyFiles: Meaning = {
  kind: 'exhausted',
  says: 'too many files are open',
  next: 'Raise the limit of open files (ulimit -n).',
}
const refused: Meaning = {
  kind: 'denied',
  says: 'the operating system does not allow it',
  next: 'Look who may read and write there, or choose another place.',
}
const otherPlace = 'Choose another place.'

/** What the errors of errno(3) mean that come from places which a user chose. */
const meanings: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: { kind: 'exhausted', says: 'the file is too large for its file system', next: otherPlace },
  EMFILE: manyFiles,
  ENFILE: manyFiles,
  EACCES: refused,
  EPERM: refused,
  EROFS: { kind: 'denied', says: 'the file system is read-only', next: otherPlace },
  ENOENT: {
    kind: 'not-found',
    says: 'there is no such file or folder',
    next: 'Look whether the path is written right.',
  },
  ENOTDIR: {
    kind: 'invalid',
    says: 'a part of the path is no folder',
    next: 'Look whether the path is written right.',
  },
  EISDIR: { kind: 'invalid', says: 'a folder stands where a file is wanted', next: 'Name a file.' },
  ELOOP: { kind: 'invalid', says: 'symbolic links lead round in a circle', next: otherPlace },
  ENAMETOOLONG: { kind: 'invalid', says: 'the name is too long', next: 'Choose a shorter one.' },
  EIO: { kind: 'unavailable', says: 'the disk reports an error', next: 'Look at the kernel log (dmesg).' },
}

/**
 * An error of the file system that nobody has given words to yet: it is about a place on this machine,
 * not a mistake of ours.
 * @returns undefined for any other error, that of a program that could not be started among them
 */
export function systemFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  const meaning = meanings[code ?? '']
  if (!meaning || syscall === undefined || syscall.startsWith('spawn')) return undefined
  // A rename or a link has two places, and the second is the one that is made.
  const where = dest ?? path
  return new Failure(meaning.kind, `${meaning.says} (${syscall}: ${code})`, {
    next: [meaning.next],
    cause: error,
    ...(where === undefined ? {} : { where }),
  })
}
