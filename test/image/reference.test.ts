import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { imageNameText, parseImageName } from '../../src/image/name.ts'
import { parseReference, parseRegistryReference, referenceText } from '../../src/image/reference.ts'

const digest = `sha256:${'a1'.repeat(32)}` as const

describe('image names', () => {
  it.each([
    ['ubuntu', 'docker.io/library/ubuntu'],
    ['user/app:1', 'docker.io/user/app:1'],
    ['index.docker.io/app', 'docker.io/library/app'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1'],
    ['[::1]:5000/app', '[::1]:5000/app'],
    [`ghcr.io/owner/app:tag@${digest}`, `ghcr.io/owner/app:tag@${digest}`],
    ['a__b/c-d--e.f', 'docker.io/a__b/c-d--e.f'],
  ])('%s means %s', (text, full) => {
    expect(imageNameText(parseImageName(text))).toBe(full)
  })

  it.each([
    '',
    ':tag',
    'user/Upper',
    'app:',
    'app:a b',
    'app:-x',
    `app:${'x'.repeat(129)}`,
    'a//b',
    'ghcr.io/',
    'a/../b',
    'app@sha256:abc',
    `app@md5:${'a'.repeat(32)}`,
    `app@sha256:${'A1'.repeat(32)}`,
    'a..b/c',
    'host_x.y:5/z',
    'localhost:65536/x',
    'localhost:99999/x:1',
    `${'x'.repeat(256)}`,
  ])('refuses %j', (text) => {
    expect(() => parseImageName(text)).toThrow(Failure)
  })
})

describe('references', () => {
  it.each([
    'docker://ghcr.io/owner/app:tag',
    `docker://localhost:5000/app@${digest}`,
    'docker-daemon:docker.io/library/app:1',
    'docker-archive:/tmp/a.tar',
    'docker-archive:/tmp/a.tar:docker.io/library/app:1',
    'oci:/tmp/layout',
    'oci:relative/layout:name',
    'oci-archive:/tmp/a.tar:v1.2.3',
    'dir:/tmp/with:colon',
    'kind:ci',
    'kind:ci/team/app:1',
    `kind:ci/app@${digest}`,
  ])('%s is read and written back', (text) => {
    expect(referenceText(parseReference(text))).toBe(text)
  })

  it('ends a path at the first colon, as skopeo does', () => {
    expect(parseReference('oci:/a:b:c')).toEqual({ transport: 'oci', path: '/a', name: 'b:c' })
  })

  it('takes the cluster "native" where kind: names none', () => {
    expect(parseReference('kind:')).toEqual({ transport: 'kind', cluster: 'native' })
    const image = { repository: 'localhost/app', tag: '1' }
    expect(parseReference('kind:/localhost/app:1')).toEqual({ transport: 'kind', cluster: 'native', image })
  })

  it.each([
    '',
    'ubuntu',
    '/tmp/layout',
    'docker:ubuntu',
    'oci:',
    'oci::name',
    'oci:/a:b c',
    'dir:',
    'ostree:x',
    'kind:A B',
    'kind:app:1',
    'kind:ci/',
    'kind:ci/App',
    'kind:ci/app:1:2',
  ])('refuses %j and names the transports', (text) => {
    try {
      parseReference(text)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(Failure)
      expect((error as Failure).kind).toBe('invalid')
      expect((error as Failure).next.length).toBeGreaterThan(0)
    }
  })

  it('takes a name, docker:// and kind: for an image that is to be verified, and no other place', () => {
    const image = { registry: 'localhost:5000', repository: 'app', tag: '1' }
    expect(parseRegistryReference('localhost:5000/app:1')).toEqual({ transport: 'docker', image })
    expect(parseRegistryReference('docker://localhost:5000/app:1')).toEqual({ transport: 'docker', image })
    expect(parseRegistryReference('kind:/app:1')).toMatchObject({ transport: 'kind', image: { repository: 'app' } })
    for (const text of ['oci:/tmp/layout', 'docker-daemon:app:1', 'dir:x', 'kind:App'])
      expect(() => parseRegistryReference(text)).toThrow(Failure)
  })

  it.each([
    ['ghcr.io/owner/app', 'For example: docker://ghcr.io/owner/app'],
    ['/tmp/layout', 'For example: oci:/tmp/layout'],
    ['docker-archive:', 'For example: docker-archive:/tmp/image'],
    ['oci-archive:a:!', 'For example: oci-archive:/tmp/image:name'],
    [
      'https://ghcr.io/app',
      'The transports are docker://, docker-daemon:, docker-archive:, oci:, oci-archive:, dir:, kind:.',
    ],
  ])('for %j suggests: %s', (text, next) => {
    try {
      parseReference(text)
      expect.unreachable()
    } catch (error) {
      expect((error as Failure).next[0]).toBe(next)
    }
  })

  it('answers any text with a reference that reads back the same, or a Failure', () => {
    const part = fc.constantFrom(
      'docker://',
      'oci:',
      'dir:',
      'kind:',
      'docker-archive:',
      'a',
      'B',
      ':',
      '/',
      '@',
      '.',
      '..',
      digest,
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 8 }).map((each) => each.join('')),
        ),
        (text) => {
          try {
            const reference = parseReference(text)
            expect(parseReference(referenceText(reference))).toEqual(reference)
          } catch (error) {
            expect(error).toBeInstanceOf(Failure)
          }
        },
      ),
    )
  })
})
