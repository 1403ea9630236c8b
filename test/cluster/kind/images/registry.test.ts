import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { registryOf, registryStep, removeRegistry } from '../../../../src/cluster/kind/images/registry.ts'
import type { KindPaths } from '../../../../src/cluster/kind/paths.ts'
import { type Answer, kindWorld, labelsOf } from '../world.ts'

/** A registry that answers as distribution-spec has it; answers its port. */
async function answeringRegistry(): Promise<number> {
  const server = createServer((_, response) => response.end('{}'))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** What `docker container inspect` prints. */
function containerText(labels: Readonly<Record<string, string>>, running: boolean, port: number): string {
  return JSON.stringify([
    {
      Id: 'r1',
      Config: { Labels: labels },
      State: { Running: running },
      NetworkSettings: { Ports: { '5000/tcp': [{ HostIp: '127.0.0.1', HostPort: String(port) }] } },
    },
  ])
}

/** The container is there once it was run, and runs once it was started. */
function registryAsMade(paths: KindPaths, port: number): readonly Answer[] {
  const shown = (running: boolean) => `echo '${containerText(labelsOf(paths), running, port)}'`
  return [
    { call: 'docker ps --all --quiet', does: '[ ! -e $WORLD/made ] || echo r1' },
    { call: 'docker container inspect', does: `[ -e $WORLD/stopped ] && ${shown(false)} || ${shown(true)}` },
    { call: 'docker image inspect', prints: 'sha256:1' },
    { call: 'docker volume create' },
    { call: 'docker run', does: 'touch $WORLD/made' },
    { call: 'docker start', does: 'rm $WORLD/stopped' },
    { call: 'docker rm', does: 'rm -f $WORLD/made $WORLD/stopped' },
    { call: 'docker volume ls', prints: 'native-n-registry' },
    { call: 'docker volume inspect', prints: JSON.stringify([{ Labels: labelsOf(paths) }]) },
    { call: 'docker volume rm' },
  ]
}

describe("the cluster's registry", () => {
  test('is made in the network of the cluster, for this machine alone, with a volume of its own', async () => {
    const port = await answeringRegistry()
    const { context, report, calls } = await kindWorld((paths) => registryAsMade(paths, port))
    await registryStep(context).run(report)
    const run = (await calls()).find((line) => line.startsWith('docker run'))
    for (const words of [
      '--network native-n --network-alias native-registry',
      '--publish 127.0.0.1::5000/tcp',
      '--volume native-n-registry:/var/lib/registry',
      `--label native.state=${context.paths.state}`,
    ])
      expect(run).toContain(words)
    expect(report.said.at(-1)).toBe(`made; 127.0.0.1:${port} here, native-registry:5000 on the nodes`)
    expect(await registryOf(context)).toEqual({ host: `127.0.0.1:${port}`, name: 'native-registry:5000' })
  })

  test('that was made is removed with its volume when a later step fails', async () => {
    const port = await answeringRegistry()
    const { context, report, calls } = await kindWorld((paths) => registryAsMade(paths, port))
    const step = registryStep(context)
    await step.run(report)
    await step.undo?.()
    expect((await calls()).filter((line) => /^docker (volume )?rm/.test(line))).toEqual([
      'docker rm --force --volumes r1 ',
      'docker volume rm native-n-registry ',
    ])
    expect(await registryOf(context)).toBeUndefined()
  })

  test('that runs is left alone, also when a later step fails', async () => {
    const port = await answeringRegistry()
    const { context, report, calls } = await kindWorld((paths) => registryAsMade(paths, port))
    await registryStep(context).run(report)
    const step = registryStep(context)
    await step.run(report)
    expect(report.said.at(-1)).toMatch(/^already running/)
    expect(step.undoes?.()).toBe(false)
    expect((await calls()).filter((line) => line.startsWith('docker run'))).toHaveLength(1)
  })

  test('of another cluster or user of the same docker is neither used nor removed', async () => {
    const { context, report, calls } = await kindWorld((paths) => [
      { call: 'docker ps', prints: 'r1' },
      {
        call: 'docker container inspect',
        prints: containerText({ ...labelsOf(paths), 'native.state': '/x' }, true, 1),
      },
      { call: 'docker volume ls', prints: 'native-n-registry' },
      { call: 'docker volume inspect', prints: JSON.stringify([{ Labels: null }]) },
    ])
    await expect(registryStep(context).run(report)).rejects.toMatchObject({ kind: 'exists' })
    expect(await removeRegistry(context)).toBe(false)
    expect((await calls()).some((line) => /^docker (volume )?(rm|run|start)/.test(line))).toBe(false)
  })

  test('that cannot be started again is made anew, and keeps what it held', async () => {
    const port = await answeringRegistry()
    const { context, report, calls } = await kindWorld((paths) => [
      { call: 'docker version', prints: '27.0' },
      { call: 'docker start', fails: { exitCode: 1, stderr: 'network native-n not found' } },
      ...registryAsMade(paths, port),
    ])
    await registryStep(context).run(report)
    await writeFile(join(context.user.home, 'stopped'), '')
    await registryStep(context).run(report)
    const told = (await calls()).filter((line) => /^docker (start|rm|run|volume rm)/.test(line))
    expect(told.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'docker run --detach',
      'docker start r1',
      'docker rm --force',
      'docker run --detach',
    ])
  })
})
