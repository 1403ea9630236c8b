import { describe, expect, test } from 'vitest'
import { docker, kind, kubectl, run } from '../../../../src/cluster/kind/docker/programs.ts'
import { kindWorld } from '../world.ts'

const refusal = { exitCode: 1, stderr: 'no such thing' }

describe('programs of the cluster', () => {
  test('kubectl is told our kubeconfig and context, whatever the current one is', async () => {
    const { context, calls } = await kindWorld(() => [{ call: 'kubectl ', prints: 'yes' }])
    expect(await kubectl(context, ['get', 'nodes'])).toBe('yes')
    expect(await calls()).toEqual([`kubectl --kubeconfig ${context.paths.kubeconfig} --context kind-n get nodes `])
  })

  test('kind keeps to our docker network and kubeconfig', async () => {
    const shown = 'echo "$KIND_EXPERIMENTAL_DOCKER_NETWORK $KUBECONFIG"'
    const { context } = await kindWorld(() => [{ call: 'kind get nodes', does: shown }])
    expect(await kind(context, ['get', 'nodes'])).toBe(`native-n ${context.paths.kubeconfig}`)
  })

  test('one that fails is told with its own words, and without paths of this machine', async () => {
    const { context } = await kindWorld(() => [
      { call: 'docker version', prints: '27.0' },
      { call: 'docker rm', fails: refusal },
    ])
    await expect(docker(context, ['rm', '/some/where', 'x'], { next: ['Do this.'] })).rejects.toMatchObject({
      kind: 'program',
      message: '`docker rm x` ended with exit code 1',
      output: expect.stringContaining('no such thing'),
      next: ['Do this.'],
    })
  })

  test('docker that does not answer is the fault, whatever it was asked', async () => {
    const { context } = await kindWorld(() => [
      { call: 'docker version', fails: { exitCode: 1, stderr: 'Cannot connect to the Docker daemon' } },
      { call: 'docker context inspect', prints: 'unix:///nowhere/docker.sock' },
      { call: 'docker rm', fails: refusal },
    ])
    await expect(docker(context, ['rm', 'x'])).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'docker is not running',
      where: 'unix:///nowhere/docker.sock',
    })
  })

  test('one that is not there is told with where to get it', async () => {
    const { context } = await kindWorld(() => [])
    const alone = { ...context, user: { ...context.user, env: { PATH: '/nowhere' } } }
    await expect(run(alone, 'helm', ['version'], {})).rejects.toMatchObject({
      kind: 'precondition',
      next: [expect.stringContaining('helm.sh')],
    })
  })

  test('one that hangs is ended in the time that it has', async () => {
    const { context } = await kindWorld(() => [
      { call: 'docker version', prints: '27.0' },
      { call: 'docker pull', does: 'exec sleep 60' },
    ])
    await expect(docker(context, ['pull', 'x'], { msMax: 300 })).rejects.toMatchObject({ kind: 'deadline' })
  })
})
