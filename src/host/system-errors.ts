import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { getSystemErrorMessage } from 'node:util'
import { errnoOf, Failure, type FailureKind } from '../core/failure.ts'

/** What an error of errno(3) means to people, whoever encounters it. */
export interface SystemMeaning {
  readonly kind: FailureKind
  /** What is wrong, as the end of a sentence. */
  readonly says: string
  /** What to do about it: one sentence. */
  readonly next: string
  /** The machine is in trouble, rather than the path wrong: another machine could do the work. */
  readonly ofMachine?: true
}

const path = 'Check how the path is written, or choose another one.'
const permission = 'Check the permissions of the path and of the folders above it, or choose another place.'
const room = 'Free space on it, or choose a place on another disk.'
const otherFileSystem = 'Choose a place on another file system.'
const again = 'Try again; if it goes on, look at the network between the two machines.'

/** The only table of its kind: one mistake has one kind, and so one exit code and one piece of advice. */
const meanings: Readonly<Record<string, SystemMeaning>> = {
  // Paths.
  ENOENT: { kind: 'not-found', says: 'there is no such file or folder', next: path },
  ENOTDIR: { kind: 'invalid', says: 'a part of the path is a file, not a folder', next: path },
  EISDIR: { kind: 'invalid', says: 'it is a folder, but a file is expected', next: 'Name a file.' },
  ELOOP: { kind: 'invalid', says: 'the symbolic links on the path are too many, or go round in a circle', next: path },
  ENAMETOOLONG: { kind: 'invalid', says: 'the name is too long', next: 'Choose a shorter name.' },
  EINVAL: { kind: 'invalid', says: 'the file system does not accept it', next: path },
  EXDEV: { kind: 'invalid', says: 'the two places are on different file systems', next: 'Choose places on one.' },
  EEXIST: { kind: 'exists', says: 'something of that name is there already', next: 'Choose another name.' },
  ENOTEMPTY: { kind: 'exists', says: 'the folder is not empty', next: 'Name a folder that is empty.' },
  EBUSY: { kind: 'precondition', says: 'it is in use', next: 'End what uses it (lsof names it), and try again.' },
  ETXTBSY: { kind: 'precondition', says: 'the program is running', next: 'End it, and try again.' },
  // Permissions, and what the file system supports.
  EACCES: { kind: 'denied', says: 'permission is denied', next: permission },
  EPERM: { kind: 'denied', says: 'the operating system does not allow it', next: permission },
  EROFS: { kind: 'denied', says: 'the file system is read-only', next: otherFileSystem, ofMachine: true },
  ENOTSUP: { kind: 'precondition', says: 'the file system does not support it', next: otherFileSystem },
  EOPNOTSUPP: { kind: 'precondition', says: 'the file system does not support it', next: otherFileSystem },
  ENOSYS: { kind: 'precondition', says: 'the operating system does not support it', next: otherFileSystem },
  EMLINK: { kind: 'exhausted', says: 'the file has as many names as its file system allows', next: otherFileSystem },
  EFBIG: { kind: 'exhausted', says: 'the file is too large for its file system', next: otherFileSystem },
  // Exhausted resources.
  ENOSPC: { kind: 'exhausted', says: 'the disk is full', next: room, ofMachine: true },
  EDQUOT: { kind: 'exhausted', says: "this user's disk quota is exceeded", next: room, ofMachine: true },
  EMFILE: {
    kind: 'exhausted',
    says: 'this process has too many files open',
    next: 'Raise its limit of open files (ulimit -n).',
    ofMachine: true,
  },
  ENFILE: {
    kind: 'exhausted',
    says: 'the machine has too many files open',
    next: "Raise the machine's limit of open files (sysctl fs.file-max).",
    ofMachine: true,
  },
  ENOMEM: {
    kind: 'exhausted',
    says: 'the machine is out of memory',
    next: 'Close programs that use a lot of memory, and try again.',
    ofMachine: true,
  },
  EAGAIN: {
    kind: 'exhausted',
    says: 'the machine is out of processes or memory',
    next: 'Raise the limit of processes (ulimit -u), or end some.',
    ofMachine: true,
  },
  // Broken things.
  EIO: {
    kind: 'unavailable',
    says: 'the disk reports an error',
    next: 'Look at the kernel log (dmesg).',
    ofMachine: true,
  },
  ENXIO: { kind: 'unavailable', says: 'the device is not there', next: path },
  ENODEV: { kind: 'unavailable', says: 'the device is not there', next: path },
  ESTALE: {
    kind: 'unavailable',
    says: 'the network file system has lost the file',
    next: 'Try again; if it goes on, mount the file system anew.',
    ofMachine: true,
  },
  // Addresses.
  EADDRINUSE: {
    kind: 'exists',
    says: 'another program uses the address',
    next: 'Choose another port, or end that program (ss -ltnp names it).',
  },
  EADDRNOTAVAIL: {
    kind: 'invalid',
    says: 'the address is not one of this machine',
    next: 'Listen on an address of this machine, or on 127.0.0.1.',
  },
  ECONNREFUSED: {
    kind: 'unavailable',
    says: 'nothing listens there',
    next: 'Check the address, and that the program behind it runs.',
  },
  ECONNRESET: { kind: 'unavailable', says: 'the connection was reset', next: again },
  EPIPE: { kind: 'unavailable', says: 'the other end has closed the connection', next: again },
  ETIMEDOUT: { kind: 'unavailable', says: 'the other end does not answer', next: again },
  EHOSTUNREACH: { kind: 'unavailable', says: 'there is no route to the machine', next: again },
  ENETUNREACH: { kind: 'unavailable', says: 'there is no route to the network', next: again },
  EAI_AGAIN: {
    kind: 'unavailable',
    says: 'the host name cannot be resolved: no name server answers',
    next: 'Check how the name is written, and that this machine reaches a name server.',
  },
  ENOTFOUND: { kind: 'unavailable', says: 'the host name cannot be resolved', next: 'Check how the name is written.' },
}

/**
 * What a system error means. One that is not in the table is blamed on the machine, not on a bug of ours.
 * @returns undefined if it is not an error of the operating system
 */
export function systemMeaning(error: unknown): SystemMeaning | undefined {
  const code = errnoOf(error) ?? ''
  if (Object.hasOwn(meanings, code)) return meanings[code]
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
  if (typeof errno !== 'number' || errno >= 0) return undefined
  const says = `the operating system reports "${getSystemErrorMessage(errno)}"`
  return { kind: 'unavailable', says, next: 'Look at the kernel log (dmesg) and at the file system of the path.' }
}

/** What the first system error among an error and its causes means; undefined if there is none. */
export function systemMeaningIn(error: unknown): SystemMeaning | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    const meaning = systemMeaning(each)
    if (meaning) return meaning
  }
  return undefined
}

/** What was being done when the system call failed. */
export interface SystemErrorContext {
  /** As in "cannot read the configuration file"; without it, the error names the system call. */
  readonly doing?: string
  /** The path or address; by default the one in the error. */
  readonly where?: string
  /** Further advice, after the table's. */
  readonly next?: readonly string[]
}

/**
 * An error of the operating system as a Failure; anything else, including a Failure, unchanged.
 * @returns what to throw
 */
export function systemFailure(error: unknown, { doing, where, next = [] }: SystemErrorContext): unknown {
  const meaning = systemMeaning(error)
  if (error instanceof Failure || !meaning) return error
  const { code, syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  // A rename or a link has two paths, and the second is the one being created.
  const place = where ?? dest ?? path
  const file = code === 'ENOTDIR' && place !== undefined ? fileOnPath(place) : undefined
  const says = file === undefined ? meaning.says : `"${file}" is a file, not a folder`
  const what = doing === undefined ? `${says} (${syscall}: ${code})` : `${doing}: ${says} (${code})`
  return new Failure(meaning.kind, what, {
    next: [meaning.next, ...next],
    cause: error,
    ...(place === undefined ? {} : { where: place }),
  })
}

/** The part of a path that is a file, although the path goes on below it; undefined if there is none now. */
function fileOnPath(path: string): string | undefined {
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
    try {
      return statSync(above).isDirectory() ? undefined : above
    } catch {
      // What is below a file, or not there, cannot be looked at: the file is further up.
    }
  }
  return undefined
}

const diskFullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

/** Was the disk full, whatever the error has been converted to since? */
export function isDiskFull(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause)
    if (diskFullCodes.has(errnoOf(each) ?? '')) return true
  return false
}
