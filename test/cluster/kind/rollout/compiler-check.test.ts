import { describe, expect, test } from 'vitest'
import { compared } from '../../../../src/cluster/kind/rollout/compiler-check.ts'

const gcc12 = 'cc (Debian 12.2.0-14+deb12u1) 12.2.0'

describe("the workers' compiler", () => {
  test('is fine where it is the one here', () => {
    expect(compared(gcc12, gcc12)).toEqual({ state: 'ok', found: gcc12 })
  })

  test.each([
    ['another release', 'cc (Ubuntu 13.2.0) 13.2.0', gcc12, 'toolchain'],
    ['none there', gcc12, '', '--worker-image'],
    ['none here', '', gcc12, 'install'],
  ])('%s is told with what to do', (_, here, there, cure) => {
    expect(compared(here, there)).toMatchObject({ state: 'note', cure: expect.stringContaining(cure) })
  })
})
