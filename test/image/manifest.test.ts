import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { parseConfig } from '../../src/image/config.ts'
import { toOci } from '../../src/image/convert.ts'
import { parseManifest, rawManifest } from '../../src/image/manifest.ts'
import { parsePlatform, samePlatform } from '../../src/image/platform.ts'
import { makeImage } from '../fixture/image.ts'

const ociType = 'application/vnd.oci.image.manifest.v1+json'
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const parse = (value: unknown, type?: string) => parseManifest(rawManifest(bytesOf(value), type, 'x'), 'x')

describe('a manifest', () => {
  it('that is any JSON is parsed, or refused with a Failure', async () => {
    const valid = JSON.parse((await makeImage()).manifest.toString()) as Record<string, unknown>
    const broken = fc.record({
      key: fc.constantFrom(...Object.keys(valid), 'manifests', 'subject', 'annotations'),
      value: fc.jsonValue(),
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          broken.map(({ key, value }) => ({ ...valid, [key]: value })),
        ),
        (value) => {
          for (const read of [() => parse(value), () => parse(value, ociType), () => parseConfig(bytesOf(value), 'x')])
            try {
              read()
            } catch (error) {
              expect(error).toBeInstanceOf(Failure)
            }
        },
      ),
    )
  })

  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'a'.repeat(64)}`, size: 1 }
  const base = { schemaVersion: 2, mediaType: ociType, config: layer, layers: [layer] }
  it.each([
    ['a type that is not a text', { ...base, mediaType: { toString: false } }],
    ['a size that is not a whole number', { ...base, layers: [{ ...layer, size: 1.5 }] }],
    ['a negative size', { ...base, layers: [{ ...layer, size: -1 }] }],
    ['a size beyond everything', { ...base, layers: [{ ...layer, size: 2 ** 53 }] }],
    ['a digest with a path in it', { ...base, layers: [{ ...layer, digest: 'sha256:../../etc/passwd' }] }],
    ['a digest in capitals', { ...base, layers: [{ ...layer, digest: `sha256:${'A'.repeat(64)}` }] }],
    ['more layers than anybody has', { ...base, layers: Array.from({ length: 1025 }, () => layer) }],
    ['layers and manifests', { ...base, manifests: [] }],
    [
      'another type than it was served as',
      { ...base, mediaType: 'application/vnd.docker.distribution.manifest.v2+json' },
    ],
  ])('with %s is refused', (_, document) => {
    expect(() => parse(document, ociType)).toThrow(Failure)
  })

  it('names what is wrong where', () => {
    expect(() => parse({ ...base, layers: [layer, { ...layer, size: 'x' }] })).toThrow(/layers\.1\.size/)
  })

  it('without a type is known by its shape (image-spec: mediaType is optional)', () => {
    expect(parse({ schemaVersion: 2, config: layer, layers: [] }).kind).toBe('manifest')
    expect(parse({ schemaVersion: 2, manifests: [] }, 'application/json').kind).toBe('index')
  })

  it("of docker's types becomes OCI's, and an OCI one stays as it is", async () => {
    const docker = rawManifest((await makeImage({ docker: true })).manifest, undefined, 'x')
    const oci = toOci(docker, 'x')
    expect(parseManifest(oci, 'x')).toMatchObject({
      mediaType: ociType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json' },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }, {}],
    })
    expect(toOci(oci, 'x')).toBe(oci)
  })

  it("of docker's types becomes OCI's with everything else as it was", () => {
    const list = { mediaType: 'application/vnd.docker.distribution.manifest.v2+json', digest: layer.digest, size: 1 }
    const annotations = { mediaType: list.mediaType }
    const docker = { schemaVersion: 2, mediaType: dockerList, manifests: [{ ...list, annotations }], annotations }
    expect(JSON.parse(Buffer.from(toOci(rawManifest(bytesOf(docker), undefined, 'x'), 'x').bytes).toString())).toEqual({
      ...docker,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ ...list, mediaType: ociType, annotations }],
    })
  })

  it("of docker's types that is nested deeper than the stack becomes OCI's where JSON needs no stack, or is refused with a Failure", () => {
    const open = { schemaVersion: 2, mediaType: dockerList, manifests: [] }
    const deep = `${JSON.stringify(open).slice(0, -1)},"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    let answer: unknown
    try {
      answer = toOci(rawManifest(Buffer.from(deep), undefined, 'x'), 'x').mediaType
    } catch (error) {
      answer = error instanceof Failure ? error.kind : error
    }
    expect(['application/vnd.oci.image.index.v1+json', 'invalid']).toContain(answer)
  })
})

describe('a platform', () => {
  it.each([
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/amd64', 'linux/arm64', false],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/amd64', 'linux/amd64/v1', true],
    ['linux/amd64', 'linux/amd64/v2', false],
    ['linux/x86_64', 'linux/amd64', true],
    ['linux/aarch64', 'linux/arm64', true],
    ['linux/armhf', 'linux/arm', true],
  ])('%s is %s: %s', (wanted, found, expected) => {
    expect(samePlatform(parsePlatform(wanted), parsePlatform(found))).toBe(expected)
  })
})
