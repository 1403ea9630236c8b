import { describe, expect, it } from 'vitest'
import { hostFiles } from '../../../../src/cluster/kind/nodes/hosts.ts'
import { hostFolder, hostsToml, mergedMirrors, parseMirror } from '../../../../src/cluster/kind/nodes/mirrors.ts'

describe('a registry mirror', () => {
  it.each([
    ['docker.io=https://mirror.example.com', { host: 'docker.io', url: 'https://mirror.example.com' }],
    ['localhost:5000=http://10.0.0.1:5000/', { host: 'localhost:5000', url: 'http://10.0.0.1:5000' }],
    ['*=https://m.example.com/v2/all/', { host: '*', url: 'https://m.example.com/v2/all' }],
  ])('is read: %s', (text, expected) => {
    expect(parseMirror(text)).toEqual(expected)
  })

  it.each([
    'docker.io',
    '=https://m',
    'docker.io=m.example.com',
    'docker.io=ftp://m.example.com',
    'https://docker.io=https://m.example.com',
    'docker.io/library=https://m.example.com',
    '../x=https://m.example.com',
    'docker.io=https://user:pass@m.example.com',
    'docker.io=https://m.example.com?x=1',
    // For a node that is the node.
    'docker.io=http://127.0.0.1:5000',
    'docker.io=http://localhost:5000',
  ])('is refused: %s', (text) => {
    expect(() => parseMirror(text)).toThrow(expect.objectContaining({ kind: 'invalid', where: '--registry-mirror' }))
  })

  it('is what containerd reads, asked in the order of the list', () => {
    expect(hostsToml(['https://a.example.com', 'https://b.example.com/v2/hub'])).toBe(
      [
        '[host."https://a.example.com"]',
        '  capabilities = ["pull", "resolve"]',
        '',
        '[host."https://b.example.com/v2/hub"]',
        '  capabilities = ["pull", "resolve"]',
        '  override_path = true',
        '',
      ].join('\n'),
    )
    expect([hostFolder('*'), hostFolder('a:5000')]).toEqual(['_default', 'a:5000'])
  })

  it('replaces what was said of its host before, and leaves other hosts', () => {
    const merged = mergedMirrors(['a.io=https://1', 'b.io=https://2'], ['b.io=https://3', 'b.io=https://4'])
    expect(merged).toEqual(['a.io=https://1', 'b.io=https://3', 'b.io=https://4'])
  })

  it("never stands before the cluster's own registry", () => {
    const files = hostFiles([
      'native-registry:5000=https://other.example.com',
      'a.io=https://x.io',
      'a.io=https://y.io',
    ])
    expect(files.get('native-registry:5000')).toContain('[host."http://native-registry:5000"]')
    expect(files.get('native-registry:5000')).not.toContain('other')
    expect(files.get('a.io')).toMatch(/https:\/\/x.io[\s\S]*https:\/\/y.io/)
  })
})
