import { describe, expect, it } from 'vitest'
import { containersReachable } from '../../../../src/cluster/kind/docker/reachable.ts'

const debian = 'Linux version 6.12.0-1-amd64 (debian-kernel@lists.debian.org)'
const wsl = 'Linux version 6.6.87.2-microsoft-standard-WSL2 (root@439a258ad544)'

describe("containers' own addresses", () => {
  it.each([
    ['Linux with its own docker', { platform: 'linux', env: {}, kernel: debian }],
    [
      'a socket of another name',
      { platform: 'linux', env: { DOCKER_HOST: 'unix:///srv/docker.sock' }, kernel: debian },
    ],
  ] as const)('can be reached on %s', (_, place) => {
    expect(containersReachable(place)).toBe(true)
  })

  it.each([
    ['macOS', { platform: 'darwin', env: {}, kernel: '' }],
    ['Windows', { platform: 'win32', env: {}, kernel: '' }],
    ['WSL', { platform: 'linux', env: {}, kernel: wsl }],
    ['WSL with a kernel of its own', { platform: 'linux', env: { WSL_DISTRO_NAME: 'Debian' }, kernel: debian }],
    ['another machine', { platform: 'linux', env: { DOCKER_HOST: 'ssh://me@there' }, kernel: debian }],
    [
      'Docker Desktop',
      { platform: 'linux', env: { DOCKER_HOST: 'unix:///home/me/.docker/desktop/docker.sock' }, kernel: debian },
    ],
    [
      'rootless docker',
      { platform: 'linux', env: { DOCKER_HOST: 'unix:///run/user/1000/docker.sock' }, kernel: debian },
    ],
  ] as const)('cannot on %s', (_, place) => {
    expect(containersReachable(place)).toBe(false)
  })
})
