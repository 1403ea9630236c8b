import { expect, test } from 'vitest'
import { imageChoice } from '../../../../src/cluster/kind/images/choice.ts'

const context = {
  settings: {
    registryImage: '',
    profile: 'envoy',
    nodes: 1,
    controllers: {},
    archives: [],
    mirrors: [],
    bases: {},
    policies: [],
    unverified: [],
  },
} as const
const options = { properties: [] }

test('without a flag, a setting or a deployment images are built', () => {
  expect(imageChoice(context, options, 'server', undefined)).toEqual({ from: 'sources', base: undefined })
})

test('a flag comes before the settings; workers run what the servers do unless they are named too', () => {
  const settled = { settings: { ...context.settings, images: { server: 's', worker: 'w' } } }
  expect(imageChoice(settled, options, 'worker', undefined)).toMatchObject({ from: 'given', image: 'w' })
  const asked = { ...options, image: 'example.com/a:1' }
  expect(imageChoice(settled, asked, 'worker', undefined)).toEqual({
    from: 'published',
    wish: { text: 'example.com/a:1', flag: '--image', unverified: false },
  })
  expect(imageChoice(settled, { ...asked, workerImage: 'example.com/b:1' }, 'worker', undefined)).toMatchObject({
    wish: { text: 'example.com/b:1', flag: '--worker-image' },
  })
})

test('another base asks to build, whatever the settings name', () => {
  const settled = { settings: { ...context.settings, images: { server: 's', worker: 'w' } } }
  expect(imageChoice(settled, { ...options, base: 'docker://x' }, 'server', undefined)).toEqual({
    from: 'sources',
    base: 'docker://x',
  })
})
