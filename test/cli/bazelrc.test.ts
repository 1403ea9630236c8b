import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bazelrcBlock, withBlock, withoutBlock } from '../../src/cli/bazelrc.ts'

const addresses = {
  cache: { address: '127.0.0.1:50051', url: 'grpc://127.0.0.1:50051' },
  scheduler: { address: '127.0.0.1:50052', url: 'grpc://127.0.0.1:50052' },
}
const block = (cluster: string, properties: { name: string; value: string }[] = []) =>
  bazelrcBlock({ cluster, addresses, properties, jobs: 8 })

describe('the block', () => {
  test('names both addresses and the instance under --config=lre', () => {
    expect(block('native')).toBe(
      [
        '# >>> native: cluster native (kept by "native bazelrc --write") >>>',
        'build:lre --remote_cache=grpc://127.0.0.1:50051',
        'build:lre --remote_executor=grpc://127.0.0.1:50052',
        'build:lre --remote_instance_name=main',
        'build:lre --jobs=8',
        'build:lre --remote_retries=10',
        '# <<< native: cluster native <<<',
        '',
      ].join('\n'),
    )
  })

  test('a cluster of another name has a config of its own', () => {
    expect(block('other')).toContain('build:lre-other --remote_cache=')
  })

  test('a property with a blank is quoted', () => {
    expect(block('native', [{ name: 'a', value: 'b "c"' }])).toContain('"--remote_default_exec_properties=a=b \\"c\\""')
  })
})

describe('writing it into a file', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '#', '\n', ' ', '>') })

  test('twice is the same as once, and nothing else of the file changes', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const once = withBlock(before, 'native', block('native'))
        const grown = once + after
        expect(withBlock(grown, 'native', block('native'))).toBe(grown)
        expect(withoutBlock(once, 'native')).toBe(before === '' || before.endsWith('\n') ? before : `${before}\n`)
      }),
    )
  })

  test('each cluster has its own block', () => {
    const both = withBlock(withBlock('', 'native', block('native')), 'two', block('two'))
    expect(withoutBlock(both, 'native')).toBe(block('two'))
    expect(withoutBlock(both, 'two')).toBe(block('native'))
  })

  test('a block that has lost its end is not guessed at', () => {
    const cut = block('native').split('\n').slice(0, 3).join('\n')
    expect(() => withBlock(`x\n${cut}`, 'native', block('native'))).toThrow(
      expect.objectContaining({ kind: 'invalid', where: 'line 2' }),
    )
  })
})
