import { describe, expect, test } from 'vitest'
import { type DockerFacts, nodeChecks, parseDockerInfo, preflight } from '../../../src/cluster/preflight/nodes.ts'

const facts: DockerFacts = {
  ServerVersion: '28.0.0',
  MemTotal: 16e9,
  DockerRootDir: '',
  CgroupVersion: '2',
  OSType: 'linux',
}
const darwin = { platform: 'darwin' } as const

function checked(part: Partial<DockerFacts>, kubernetes?: string) {
  return preflight(nodeChecks({ ...facts, ...part }, { ...darwin, ...(kubernetes !== undefined && { kubernetes }) }))
}

describe("docker's machine", () => {
  test('is fine where it has what a cluster needs', async () => {
    expect((await checked({})).every(({ state }) => state === 'ok')).toBe(true)
  })

  test('with too little memory is refused before anything is made, with the cure', async () => {
    await expect(checked({ MemTotal: 1e9 })).rejects.toMatchObject({
      kind: 'precondition',
      message: expect.stringContaining('memory'),
      next: [expect.stringContaining('more')],
    })
  })

  test('with scarce memory is told of', async () => {
    expect(await checked({ MemTotal: 4e9 })).toContainEqual(expect.objectContaining({ state: 'note' }))
  })

  test.each([
    ['1.34.4', '1', true],
    ['1.35.0', '1', false],
    ['1.35.0', '2', true],
  ])('Kubernetes %s on cgroup version %s: %s', async (kubernetes, cgroup, fine) => {
    const result = checked({ CgroupVersion: cgroup }, kubernetes)
    if (fine) expect(await result).toBeDefined()
    else await expect(result).rejects.toMatchObject({ next: [expect.stringContaining('--kubernetes-version 1.34')] })
  })

  test('is seen from its own words, whatever else they say', () => {
    expect(parseDockerInfo('{"MemTotal": 5, "CgroupVersion": "1", "Plugins": {}}')).toMatchObject({
      MemTotal: 5,
      CgroupVersion: '1',
    })
    expect(() => parseDockerInfo('Cannot connect')).toThrow()
  })

  test('on Linux its disk and the limits of inotify are looked at', async () => {
    const titles = nodeChecks({ ...facts, DockerRootDir: '/' }, { platform: 'linux' }).map(({ title }) => title)
    expect(titles).toEqual(['memory for docker', 'disk for docker', 'inotify'])
  })
})
