import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../fixture/eventually.ts'
import { freePort } from '../fixture/peers.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, goPrograms, have, type Workdir } from '../fixture/real.ts'

/** A span as the collector prints it. */
type Printed = Readonly<Record<'trace' | 'parent' | 'id' | 'name' | 'start' | 'end' | 'status' | 'attributes', string>>

// What the OpenTelemetry Collector makes of the traces of a build of Bazel.
describe.skipIf(!(await have('sid:bazel', 'go:collector')))('traces in the OpenTelemetry Collector', () => {
  let native: Native
  let work: Workdir
  let collector: ChildProcess
  let printed = ''

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    const endpoint = `127.0.0.1:${await freePort()}`
    work.write('collector.yaml', configurationOf(endpoint))
    collector = spawn(join(goPrograms, 'collector'), [`--config=file:${join(work.path, 'collector.yaml')}`])
    for (const stream of [collector.stdout, collector.stderr]) stream?.on('data', (data) => (printed += data))
    await eventually(
      async () => collector.exitCode ?? (await fetch(`http://${endpoint}`)).status,
      () => true,
    )
    expect(collector.exitCode, printed).toBeNull()
    work.write('deployment.yaml', `scheduler:\n  otlp:\n    endpoint: http://${endpoint}\n`)
    await native.ok('deploy', '--config', join(work.path, 'deployment.yaml'), '--workers', '1', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await work.chroot(['bazel', 'shutdown'], { cwd: 'ws' })
    await native.dispose()
    collector.kill()
    if (collector.exitCode === null) await once(collector, 'exit')
    await work.remove()
  })

  test('are those of the invocation, and say what each action spent its time on', async () => {
    const ran = await work.chroot(
      ['bazel', '--max_idle_secs=60', 'build', '--config=lre', '--keep_going', '//gen:upper', '//fail'],
      {
        cwd: 'ws',
      },
    )
    expect(ran.exitCode, ran.all).toBe(1)
    const [, id = ''] = /Invocation ID: ([0-9a-f-]{36})/.exec(ran.all) ?? []
    // The span of the build itself comes when it is over for certain.
    await native.ok('down')
    const spans = await eventually(
      async () => spansIn(printed),
      (found) => found.some(({ name }) => name === 'build'),
    )
    expect(new Set(spans.map(({ trace }) => trace))).toEqual(new Set([id.replaceAll('-', '')]))
    const build = spans.find(({ name }) => name === 'build')
    expect(build).toMatchObject({ parent: '', attributes: expect.stringContaining(`native.invocation: Str(${id})`) })
    const actions = spans.filter(({ parent }) => parent === build?.id)
    const upper = actions.find(({ attributes }) => attributes.includes('native.target: Str(//gen:upper)'))
    expect(upper).toMatchObject({ name: 'Genrule', status: 'Unset' })
    expect(upper?.attributes).toContain('native.exit_code: Int(0)')
    const failed = actions.find(({ attributes }) => attributes.includes('native.target: Str(//fail'))
    expect(failed).toMatchObject({ status: 'Error', attributes: expect.stringContaining('native.exit_code: Int(3)') })
    const phases = spans.filter(({ parent }) => parent === upper?.id)
    expect(phases.map(({ name }) => name)).toEqual(['queue', 'fetch', 'run', 'upload'])
    const times = phases.flatMap(({ start, end }) => [start, end])
    expect(times).toEqual(times.toSorted())
    expect(printed).toContain('service.name: Str(native-scheduler)')
  })
})

function configurationOf(endpoint: string): string {
  return JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint } } } },
    exporters: { debug: { verbosity: 'detailed', use_internal_logger: false } },
    service: {
      pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } },
    },
  })
}

function spansIn(text: string): Printed[] {
  return text
    .split(/^Span #\d+$/m)
    .slice(1)
    .map((span) => {
      const value = (name: string) => new RegExp(`^ {4}${name} *: (.*)$`, 'm').exec(span)?.[1]?.trim() ?? ''
      return {
        trace: value('Trace ID'),
        parent: value('Parent ID'),
        id: value('ID'),
        name: value('Name'),
        start: value('Start time'),
        end: value('End time'),
        status: value('Status code'),
        attributes: /^Attributes:\n((?: {5}-> .*\n?)*)/m.exec(span)?.[1] ?? '',
      }
    })
}
