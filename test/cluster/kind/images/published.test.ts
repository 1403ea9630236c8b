import { describe, expect, it } from 'vitest'
import { isNamedBy, isPublished } from '../../../../src/cluster/kind/images/published.ts'
import { parseImageName } from '../../../../src/image/name.ts'

describe('images that are taken without a signature', () => {
  it.each([
    ['registry.example.com/team/app', true],
    ['registry.example.com/team/*', true],
    ['registry.example.com/**', true],
    ['**', true],
    ['registry.example.com/*', false],
    ['registry.example.com/team/ap', false],
    ['registryXexample.com/team/app', false],
    ['example.com/team/app', false],
  ])('are named by host and repository: %s', (pattern, expected) => {
    expect(isNamedBy([pattern], parseImageName('registry.example.com/team/app:1'))).toBe(expected)
  })

  it('are none where nothing is said', () => {
    expect(isNamedBy([], parseImageName('a.io/b'))).toBe(false)
  })
})

it("tells a published image from one that was built, by its place in the cluster's registry", () => {
  expect(isPublished('native-registry:5000/published/me/native@sha256:1')).toBe(true)
  expect(isPublished('native-registry:5000/native@sha256:1')).toBe(false)
  expect(isPublished('ghcr.io/published/native@sha256:1')).toBe(false)
})
