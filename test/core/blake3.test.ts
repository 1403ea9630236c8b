import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { root } from '../fixture/program.ts'

/** What a package's loader throws whose binary does not suit the system. */
const unsuited = `
  const module = require('node:module')
  const load = module._load
  module._load = (name, ...rest) => {
    if (name.startsWith('@napi-rs/blake-hash')) throw new Error('Failed to load native binding')
    return load(name, ...rest)
  }`

test.each([
  ['is offered where its package can be loaded', '', true],
  ['is not offered where the binary does not suit the system, and all else is', unsuited, false],
])('BLAKE3 %s', async (_, before, offered) => {
  const ask = `${before}
    import(${JSON.stringify(join(root, 'src/core/hash.ts'))}).then((hash) => console.log(hash.computableFunctions.join()))`
  const { stdout } = await execa(process.execPath, ['--eval', ask])
  expect(stdout.split(',').includes('blake3')).toBe(offered)
  expect(stdout).toContain('sha256')
})
