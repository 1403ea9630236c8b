import { describe, expect, test } from 'vitest'
import type { Account } from '../../src/wire/account.ts'
import { Ledger } from '../../src/wire/ledger.ts'
import { Code } from '../../src/wire/rpc.ts'

const mib = 1024 * 1024

function ledger(bytesMax = 100 * mib, clientBytesMax = bytesMax) {
  return new Ledger({ bytesMax, clientBytesMax, connectionBytesMax: 50 * mib })
}

/** Takes pieces until no more are had at once; how many there were. */
function fill(account: Account, bytes: number): number {
  let count = 0
  while (account.tryHold(bytes)) count += 1
  return count
}

describe('what is had at once', () => {
  test('one connection leaves twice as much as it takes', () => {
    const all = ledger()
    expect(fill(all.open('a'), 10 * mib)).toBe(3)
  })

  test('H1: a few that ask for as much as they can leave room for the next one', () => {
    const all = ledger()
    for (let i = 0; i < 5; i += 1) fill(all.open('hostile'), mib)
    expect(all.open('honest').tryHold(4 * mib)).toBe(true)
  })

  test('H1: where very many have taken all, the next one has the first turn', async () => {
    const all = ledger()
    const hostile = Array.from({ length: 200 }, () => all.open('hostile'))
    for (const account of hostile) {
      fill(account, mib)
      account.wait(mib).granted.catch(() => undefined)
    }
    expect(all.held).toBe(100 * mib)
    const honest = all.open('honest').wait(4 * mib).granted
    const [first] = hostile
    first?.release(10 * mib)
    await honest
    for (const account of hostile) account.close()
  })

  test('one address leaves a part to others', () => {
    const all = ledger(100 * mib, 75 * mib)
    for (let i = 0; i < 200; i += 1) fill(all.open('hostile'), mib)
    expect(all.held).toBeLessThanOrEqual(88 * mib)
    expect(all.open('another').tryHold(10 * mib)).toBe(true)
  })

  test('small things are had by every connection, also when nothing is left', () => {
    const all = ledger()
    all.open('hostile').add(100 * mib)
    const honest = all.open('honest')
    expect(honest.tryHold(64 * 1024)).toBe(true)
    expect(honest.tryHold(1)).toBe(false)
  })
})

describe('what is waited for', () => {
  test('those that hold least come first, in turns', async () => {
    const all = ledger(20 * mib)
    const full = all.open('a')
    full.add(20 * mib)
    const order: string[] = []
    const wait = (name: string, account: Account) => account.wait(2 * mib).granted.then(() => order.push(name))
    const [first, second] = [all.open('a'), all.open('a')]
    const waits = [wait('first', first), wait('first', first), wait('first', first), wait('second', second)]
    full.release(20 * mib)
    await Promise.all(waits)
    expect(order).toEqual(['first', 'second', 'first', 'first'])
  })

  test('one whose turn has come is not passed by while memory gathers for it', async () => {
    const all = ledger(10 * mib)
    const full = all.open('a')
    full.add(10 * mib)
    const large = all.open('a').wait(8 * mib).granted
    full.release(2 * mib)
    await new Promise((resolve) => setImmediate(resolve))
    expect(all.open('a').tryHold(mib)).toBe(false)
    full.release(8 * mib)
    await large
  })

  test('whoever leaves waits no more, and holds up nobody', async () => {
    const all = ledger(10 * mib)
    const full = all.open('a')
    full.add(10 * mib)
    const gone = all.open('a')
    const inVain = [gone.wait(9 * mib).granted, gone.wait(9 * mib).granted]
    const other = all.open('a')
    const given = other.wait(9 * mib)
    const granted = all.open('a').wait(mib).granted
    full.release(mib)
    gone.close()
    given.giveUp()
    for (const wait of [...inVain, given.granted]) await expect(wait).rejects.toMatchObject({ code: Code.CANCELLED })
    await granted
    await expect(gone.wait(1).granted).rejects.toMatchObject({ code: Code.CANCELLED })
  })
})
