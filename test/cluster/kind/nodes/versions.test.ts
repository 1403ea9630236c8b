import { describe, expect, it } from 'vitest'
import { assertKindVersion, kubernetesIn, nodeImageOf } from '../../../../src/cluster/kind/nodes/versions.ts'

describe('a release of Kubernetes', () => {
  it('is the node image of its name', () => {
    expect(nodeImageOf('1.34.4')).toEqual({ image: 'kindest/node:v1.34.4' })
    expect(nodeImageOf('v1.99.0')).toEqual({ image: 'kindest/node:v1.99.0' })
  })

  it('by its minor alone is the newest that is known, and says so', () => {
    const { image, note } = nodeImageOf('1.34')
    expect(image).toMatch(/^kindest\/node:v1\.34\.\d+$/)
    expect(note).toContain(image.slice('kindest/node:v'.length))
  })

  it.each(['1', 'latest', '1.34.x', '1.34.4.5', '1.2'])('is refused: %s', (text) => {
    expect(() => nodeImageOf(text)).toThrow(expect.objectContaining({ kind: 'invalid', where: '--kubernetes-version' }))
  })
})

describe("kind's own version", () => {
  it.each(['0.27.0', '0.33.0\n', 'v1.0.0', '0.34.0-alpha+abc'])('is new enough: %s', (text) => {
    expect(() => assertKindVersion(text)).not.toThrow()
  })

  it.each(['0.26.0', '0.9.1', 'what'])('is too old: %s', (text) => {
    expect(() => assertKindVersion(text)).toThrow(expect.objectContaining({ kind: 'precondition' }))
  })
})

describe('the Kubernetes in a node image', () => {
  it.each([
    ['kindest/node:v1.34.4', '1.34.4'],
    ['kindest/node:v1.34.4@sha256:abc', '1.34.4'],
    ['mirror.example.com:5000/node:v1.34.4-mine', '1.34.4'],
    ['kindest/node:latest', undefined],
    ['kindest/node@sha256:abc', undefined],
  ])('is told by its tag: %s', (image, kubernetes) => {
    expect(kubernetesIn(image, '0.33.0').kubernetes).toBe(kubernetes)
  })

  it("is told by kind's own version where the image is kind's own", () => {
    expect(kubernetesIn(null, '0.33.0').kubernetes).toMatch(/^1\.35/)
    expect(kubernetesIn(null, '0.30.0')).toEqual({})
  })
})
