import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { isDiskFull, systemFailure, systemMeaning } from '../../src/host/system-errors.ts'

/** As Node throws it. */
function systemError(code: string, facts: object = {}): Error {
  const errno = constants.errno[code as keyof typeof constants.errno]
  return Object.assign(new Error(`${code}: as the system says it`), { code, errno: -(errno ?? 0), ...facts })
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('what a system error means', () => {
  it.each([
    ['invalid', 'ENOTDIR EISDIR ELOOP ENAMETOOLONG EINVAL EXDEV EADDRNOTAVAIL'],
    ['not-found', 'ENOENT'],
    ['exists', 'EEXIST ENOTEMPTY EADDRINUSE'],
    ['precondition', 'EBUSY ETXTBSY ENOTSUP EOPNOTSUPP ENOSYS'],
    ['denied', 'EACCES EPERM EROFS'],
    ['exhausted', 'ENOSPC EDQUOT EMFILE ENFILE EFBIG EMLINK ENOMEM EAGAIN'],
    ['unavailable', 'EIO ENXIO ENODEV ESTALE ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH'],
  ])('%s: %s', (kind, codes) => {
    for (const code of codes.split(' ')) {
      const failure = systemFailure(systemError(code), { doing: 'cannot do it', where: 'here' })
      expect(failure, code).toMatchObject({ name: 'Failure', kind, where: 'here', next: [expect.any(String)] })
      expect(failure, code).toMatchObject({ message: expect.stringMatching(`^cannot do it: .+ \\(${code}\\)$`) })
    }
  })

  it('one that is not in the table is the doing of the machine, in words of the system', () => {
    expect(systemFailure(systemError('EOVERFLOW'), { doing: 'cannot do it' })).toMatchObject({
      kind: 'unavailable',
      message: 'cannot do it: the operating system reports "value too large for defined data type" (EOVERFLOW)',
      next: [expect.any(String)],
    })
  })

  it.each(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EIO', 'EROFS'])(
    '%s is a trouble of the machine',
    (code) => expect(systemMeaning(systemError(code))?.ofMachine).toBe(true),
  )
  it.each(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'EOVERFLOW'])('%s is not', (code) =>
    expect(systemMeaning(systemError(code))?.ofMachine).toBeUndefined(),
  )

  it('what is not a system error stays what it is', () => {
    const failure = new Failure('corrupt', 'damaged', { cause: systemError('EIO') })
    const exit = Object.assign(new Error('of a framework'), { code: 'EEXIT' })
    const own = Object.assign(new Error('of Node'), { code: 'ERR_INVALID_ARG_TYPE' })
    for (const each of [failure, exit, own, 'text', undefined]) expect(systemFailure(each, { doing: 'x' })).toBe(each)
  })
})

describe('where it was', () => {
  it('is the path of the call, of two the second', () => {
    const of = (facts: object) => systemFailure(systemError('EXDEV', { syscall: 'rename', ...facts }), {})
    expect(of({ path: '/a', dest: '/b' })).toMatchObject({ where: '/b' })
    expect(of({ path: '/a' })).toMatchObject({ where: '/a', message: expect.stringMatching(/ \(rename: EXDEV\)$/) })
    expect(of({})).toMatchObject({ where: undefined })
  })

  it('is said by real calls', () => {
    const below = join(import.meta.filename, 'below')
    const error = thrownBy(() => readFileSync(below))
    expect(systemFailure(error, {})).toMatchObject({ kind: 'invalid', where: below, cause: error })
  })
})

describe.runIf(process.platform === 'linux')('a full disk', () => {
  it('is known as one below whatever was made of it', () => {
    const error = thrownBy(() => writeFileSync('/dev/full', 'x'))
    expect(isDiskFull(error)).toBe(true)
    expect(isDiskFull(new Failure('exhausted', 'no room', { cause: error }))).toBe(true)
    expect(isDiskFull(new Failure('exhausted', 'no room'))).toBe(false)
  })
})
