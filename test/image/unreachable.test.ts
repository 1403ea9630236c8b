import { expect, test } from 'vitest'
import { failed } from '../../src/image/media/registry/network-failure.ts'

const url = new URL('https://registry.example.com:5000/v2/')
const refused = (code: string) => Object.assign(new Error(`connect ${code}`), { code, errno: -1, syscall: 'connect' })

test.each([
  ['ECONNREFUSED', 'nothing listens there', 'Check the address, and that the program behind it runs.'],
  ['ENOTFOUND', 'the host name cannot be resolved', 'Check how the name is written.'],
  [
    'EAI_AGAIN',
    'the host name cannot be resolved: no name server answers',
    'Check how the name is written, and that this machine reaches a name server.',
  ],
])('a registry that cannot be reached, by %s: what is wrong, and what to do', (code, says, next) => {
  expect(failed(refused(code), url)).toMatchObject({
    kind: 'unavailable',
    message: `registry.example.com:5000 cannot be reached: ${says}`,
    where: 'registry.example.com:5000',
    next: [next],
  })
})
