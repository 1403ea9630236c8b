import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { exitCodeOf, failureJson, failureText, shownFailure } from '../../src/cli/failures.ts'
import { Failure } from '../../src/core/failure.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'

const stream = new Writable() as NodeJS.WriteStream
const plain = { debug: false, stream }
const failure = new Failure('program', 'the cache does not stay up', {
  where: '/logs/cas.log',
  output: 'line one\nline two',
  next: ['Look at the log.'],
  cause: new Error('below'),
})

describe('a failure for people', () => {
  it('is message, place, output, next step, in this order', () => {
    expect(failureText(shownFailure(failure), plain)).toBe(
      'error: the cache does not stay up\n  at /logs/cas.log\n  | line one\n  | line two\n  → Look at the log.\n',
    )
  })

  it('has a stack, and that of the cause, with debug only', () => {
    expect(failureText(shownFailure(failure), plain)).not.toContain('failures.test')
    const text = failureText(shownFailure(failure), { debug: true, stream })
    expect(text).toContain('failures.test')
    expect(text).toContain('caused by Error: below')
  })
})

describe('what a failure quotes of strangers', () => {
  it('cannot write to the terminal, in whatever part of it', () => {
    const evil = 'a\u001b[2Jb\u202ec'
    const shown = shownFailure(new Failure('invalid', `x ${evil}\ny`, { where: evil, next: [evil], output: evil }))
    expect(shown).toMatchObject({ message: 'x a?[2Jb?c\ny', where: 'a?[2Jb?c', next: ['a?[2Jb?c'], output: 'ab?c' })
  })
})

describe('a failure for programs', () => {
  it('is an object with these four keys', () => {
    expect(failureJson(shownFailure(failure))).toEqual({
      error: {
        kind: 'program',
        message: 'the cache does not stay up',
        where: '/logs/cas.log',
        next: ['Look at the log.'],
      },
    })
  })
})

describe('an exit code', () => {
  it.each([
    ['a Failure', failure, 9],
    ['an RpcError', new RpcError(Code.UNAVAILABLE, 'gone'), 4],
    ['an abort', new DOMException('aborted', 'AbortError'), 130],
    ['what oclif calls a wrong use', Object.assign(new Error('Nonexistent flag'), { oclif: { exit: 2 } }), 2],
    ['a bug', new TypeError('x is undefined'), 1],
    ['anything that was thrown', 'text', 1],
  ])('belongs to %s', (_, error, code) => {
    expect(exitCodeOf(shownFailure(error))).toBe(code)
  })

  it('of a bug comes with the way to report it', () => {
    expect(shownFailure(new TypeError('oops'))).toMatchObject({
      kind: 'internal',
      message: 'oops',
      next: [expect.stringContaining('report')],
    })
  })
})
