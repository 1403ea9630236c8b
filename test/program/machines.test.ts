import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import { makeAuthority } from '../fixture/certificates.ts'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { canMakeMachines, createMachines, type Machine, type Machines } from '../fixture/machines.ts'
import { disagreements } from '../fixture/shape.ts'

const { tables } = await readDocuments()
let machines: Machines
let box: Machine
let laptop: Machine

async function statusOf(machine: Machine): Promise<ClusterStatus> {
  return JSON.parse((await machine.ok('status', '--json')).stdout)
}

/** Until the box has the laptop's worker, or has lost it. */
async function untilThere(isThere: boolean): Promise<void> {
  await eventually(
    () => statusOf(box),
    ({ otherWorkers }) => (otherWorkers ?? []).some(({ name }) => name === 'laptop') === isThere,
  )
}

/** Where docs/json.md and what was printed disagree. */
function disagreeing(title: string, ...samples: unknown[]): string[] {
  const found = tables.find((each) => each.section === 'JSON' && each.title.startsWith(title))
  if (!found) throw new Error(`docs/json.md has no table of fields under "${title}"`)
  return disagreements(found, samples)
}

/** The words of the line that `native invite` prints, without the program's name. */
async function invited(...flags: string[]): Promise<string[]> {
  const { stdout } = await box.ok('invite', ...flags)
  return stdout.trim().split(' ').slice(1)
}

async function tokenNames(): Promise<string[]> {
  const { tokens } = JSON.parse((await box.ok('token', 'list', '--json')).stdout)
  return tokens.map(({ name }: { name: string }) => name)
}

const more = ['--worker', 'laptop', '--slots', '2', '--property', 'pool=laptop', '--sandbox', 'off']

/** Debian's, of the package faketime: whoever loads it has another time of day. */
const otherClock = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

/** A command that says where it runs, and ends once it may. */
async function patientCommand() {
  const folder = await testFolder()
  const script =
    'here=$(readlink /proc/self/ns/net); : > "$0/$here"; until [ -e "$0/go" ]; do sleep 0.1; done; echo $here'
  return {
    words: ['/bin/sh', '-c', script, folder],
    begins: (machine: Machine) =>
      eventually(
        async () => existsSync(join(folder, machine.network)),
        (there) => there,
      ),
    mayEnd: () => writeFile(join(folder, 'go'), ''),
  }
}

describe.runIf(canMakeMachines)('two machines and a cable', () => {
  beforeAll(async () => {
    machines = await createMachines()
    box = machines.box
    laptop = machines.laptop
  })
  afterAll(() => machines?.dispose())

  test('nobody is invited to a cluster that other machines do not reach', async () => {
    await box.ok('deploy', '--slots', '1', '--sandbox', 'off')
    const refused = await box.run(['invite'])
    expect(refused.exitCode).toBe(5)
    for (const each of ['127.0.0.1', 'no TLS', 'token', 'native deploy --listen 0.0.0.0 --tls auto --access team'])
      expect(refused.stderr).toContain(each)
    await box.ok('deploy', '--listen', '0.0.0.0', '--tls', 'auto', '--access', 'team')
    const another = await box.run(['invite', '--host', 'build.example.com'])
    expect([another.exitCode, another.stderr]).toEqual([2, expect.stringContaining(box.address)])
    expect(JSON.parse((await box.ok('token', 'list', '--json')).stdout).tokens).toHaveLength(1)
  })

  test('what is no invitation of this cluster is refused, and nothing is left behind', async () => {
    const [, url = '', , token = '', , ca = ''] = await invited('--name', 'tries')
    expect(url).toBe(`grpcs://${box.address}:50052`)
    const tries = [
      [
        7,
        'not the one that issued the invitation',
        ['join', url, '--token', token, '--ca', `sha256:${'0'.repeat(64)}`],
      ],
      [7, 'unknown or was revoked', ['join', url, '--token', `${token.slice(0, -4)}AAAA`, '--ca', ca]],
      [4, '--ca sha256:... of the line', ['join', url, '--token', token]],
      [2, 'can only join over TLS', ['join', url.replace('grpcs', 'grpc'), '--token', token, '--ca', ca]],
      [2, '--ca', ['join', url, '--token', token, '--ca', 'sha256:12']],
      [10, 'does not accept workers', ['join', url.replace('50052', '50051'), '--token', token, '--ca', ca]],
    ] as const
    for (const [exitCode, words, args] of tries)
      expect(await laptop.run(args)).toEqual({ exitCode, stdout: '', stderr: expect.stringContaining(words) })
    const reader = JSON.parse((await box.ok('token', 'create', '--name', 'r', '--role', 'reader', '--json')).stdout)
    const denied = await laptop.run(['join', url, '--token', reader.token, '--ca', ca])
    expect([denied.exitCode, denied.stderr]).toEqual([7, expect.stringContaining('has the role reader')])
    expect(await statusOf(laptop)).toMatchObject({ state: 'absent', servers: [], joined: null })
  })

  test('the line of an invitation makes the other machine a worker, which both show', async () => {
    const line = await invited('--name', 'of-the-laptop')
    await laptop.ok(...line, ...more)
    await untilThere(true)
    // Whoever finds the line later can do nothing with it, and what works is not disturbed.
    const used = await laptop.run([...line, ...more])
    expect([used.exitCode, used.stderr]).toEqual([7, expect.stringContaining('was used already')])
    expect(await statusOf(laptop)).toMatchObject({
      state: 'deployed',
      joined: {
        scheduler: `grpcs://${box.address}:50052`,
        cas: `grpcs://${box.address}:50051`,
        worker: 'laptop',
      },
      servers: [{ name: 'worker-1', state: 'ready', notes: [] }],
    })
    expect((await laptop.ok('status')).stdout).toContain(`Works for grpcs://${box.address}:50052 as laptop`)
    expect((await box.ok('status')).stdout).toMatch(/^laptop +connected +2 +0/m)
    const [{ joined }, { otherWorkers }] = [await statusOf(laptop), await statusOf(box)]
    expect(disagreeing('What these two hold', { joined, otherWorkers })).toEqual([])
    const invitations = [
      await box.ok('invite', '--json'),
      await box.ok('invite', '--json', '--reusable', '--token-expires', 'never'),
    ]
    expect(disagreeing('`invite`', ...invitations.map(({ stdout }) => JSON.parse(stdout)))).toEqual([])
    // A line that is of no use changes nothing.
    const [, url = '', , token = ''] = await invited('--name', 'of-no-use')
    const another = ['join', url, '--token', token, '--ca', `sha256:${'0'.repeat(64)}`]
    expect((await laptop.run(another)).exitCode).toBe(7)
    expect((await laptop.run(['deploy'])).stderr).toContain('works for')
    const { stdout } = await box.ok('exec', '--property', 'pool=laptop', '--', 'readlink', '/proc/self/ns/net')
    expect(stdout).toBe(laptop.network)
    // What it came to is in the action cache, though its worker may not write there.
    const again = await box.ok('exec', '--property', 'pool=laptop', '--', 'readlink', '/proc/self/ns/net')
    expect([again.stdout, again.stderr]).toEqual([laptop.network, expect.stringContaining('cached')])
  })

  test('a worker that is killed comes back', async () => {
    const [server] = (await statusOf(laptop)).servers
    process.kill(Number(server?.id), 'SIGKILL')
    await eventually(
      () => statusOf(laptop),
      ({ servers }) => servers[0]?.state === 'ready' && servers[0].id !== server?.id,
    )
    await untilThere(true)
  })

  test('when the cable is pulled its action runs elsewhere, and it comes back by itself', async () => {
    const blocker = await patientCommand()
    const blocked = box.start(['exec', '--property', 'native:worker=worker-1', '--', ...blocker.words])
    await blocker.begins(box)
    const command = await patientCommand()
    const running = box.start(['exec', '--', ...command.words])
    await command.begins(laptop)
    await machines.cable('down')
    await blocker.mayEnd()
    await command.begins(box)
    await command.mayEnd()
    expect((await running.done).stdout).toBe(box.network)
    expect((await blocked.done).stdout).toBe(box.network)
    await untilThere(false)
    await eventually(
      () => statusOf(laptop),
      ({ servers }) => servers[0]?.state === 'starting' && servers[0].notes.some((each) => each.includes('scheduler')),
    )
    await machines.cable('up')
    await untilThere(true)
    const { stdout } = await box.ok(
      'exec',
      '--fresh',
      '--property',
      'pool=laptop',
      '--',
      'readlink',
      '/proc/self/ns/net',
    )
    expect(stdout).toBe(laptop.network)
  })

  test('a machine that sleeps loses its action to another, and comes back when it wakes', async () => {
    const blocker = await patientCommand()
    const blocked = box.start(['exec', '--property', 'native:worker=worker-1', '--', ...blocker.words])
    await blocker.begins(box)
    const command = await patientCommand()
    const running = box.start(['exec', '--', ...command.words])
    await command.begins(laptop)
    const worker = Number((await statusOf(laptop)).servers[0]?.id)
    process.kill(worker, 'SIGSTOP')
    await blocker.mayEnd()
    await command.begins(box)
    process.kill(worker, 'SIGCONT')
    await command.mayEnd()
    expect((await running.done).stdout).toBe(box.network)
    await blocked.done
    await untilThere(true)
    expect((await statusOf(laptop)).servers[0]?.id).toBe(String(worker))
  })

  test('over a slow link an action’s files take longer than its lease, and it runs once', async () => {
    const [inputs, outputs, beside] = [await testFolder(), await testFolder(), await testFolder()]
    const bytes = randomBytes(4 * 1024 * 1024)
    await writeFile(join(inputs, 'in.bin'), bytes)
    const runs = join(beside, 'runs')
    const script = `echo once >> ${runs}; tail -c +2 in.bin > out.bin`
    const place = ['--input', inputs, '--output', 'out.bin', '--output-to', outputs]
    // 17 s there, and as many back; a lease is over after ten without a sign.
    await machines.limit('2mbit')
    try {
      await box.ok('exec', '--fresh', '--property', 'pool=laptop', ...place, '--', '/bin/sh', '-c', script)
    } finally {
      await machines.limit(undefined)
    }
    expect((await readFile(join(outputs, 'out.bin'))).equals(bytes.subarray(1))).toBe(true)
    expect(readFileSync(runs, 'utf8')).toBe('once\n')
    await untilThere(true)
  }, 120_000)

  test('a worker whose token is revoked is cut off within five seconds, and says why', async () => {
    await box.ok('token', 'revoke', 'of-the-laptop')
    const revokedMs = performance.now()
    await untilThere(false)
    expect(performance.now() - revokedMs).toBeLessThan(5_000)
    const { servers, state } = await eventually(
      () => statusOf(laptop),
      (status) => status.servers[0]?.notes.some((each) => each.includes('revoked')) ?? false,
    )
    expect([state, servers[0]?.state]).toEqual(['degraded', 'starting'])
    expect((await laptop.ok('status')).stdout).toContain('revoked')
    expect((await laptop.ok('logs', '--lines', '200')).stdout).toContain('revoked')
  })

  test('another invitation takes its place, by the environment, and shows its token to nobody', async () => {
    const [, url = '', , token = '', , ca = ''] = await invited('--name', 'second')
    const joined = await laptop.run(['join', url, '--ca', ca, ...more], { NATIVE_TOKEN: token })
    expect(joined).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('native leave') })
    await untilThere(true)
    const worker = (await statusOf(laptop)).servers[0]?.id
    const supervisor = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1]
    for (const pid of [worker, supervisor])
      for (const file of ['cmdline', 'environ']) {
        const text = readFileSync(`/proc/${pid}/${file}`, 'utf8')
        expect(text).toContain('native')
        expect(text).not.toContain(token.slice(-43))
      }
    // It has a token of its own by now, in the only folder that is left of two invitations.
    const [folder = '', ...others] = readdirSync(join(laptop.native.home, 'state/native/native/joined'))
    const kept = join(laptop.native.home, 'state/native/native/joined', folder, 'token')
    const own = readFileSync(kept, 'utf8').trim()
    expect([others, own === token, statSync(kept).mode & 0o777]).toEqual([[], false, 0o600])
    const logged = (await laptop.ok('logs', '--lines', '1000')).stdout
    for (const secret of [token, own]) expect(logged).not.toContain(secret.slice(-43))
    expect(readFileSync(`/proc/${worker}/cmdline`, 'utf8')).not.toContain(own.slice(-43))
  })

  test('leave lets its action end, and nothing is left on either side', async () => {
    const command = await patientCommand()
    const running = box.start(['exec', '--property', 'pool=laptop', '--', ...command.words])
    await command.begins(laptop)
    const left = laptop.start(['leave'])
    await eventually(
      () => statusOf(box),
      ({ otherWorkers }) => otherWorkers?.[0]?.leaving ?? false,
    )
    await command.mayEnd()
    expect((await running.done).stdout).toBe(laptop.network)
    expect((await left.done).exitCode).toBe(0)
    await untilThere(false)
    expect(await statusOf(laptop)).toMatchObject({ state: 'absent', servers: [], joined: null, keptData: null })
    // Its token is given back, and nobody else's.
    expect((await tokenNames()).filter((each) => ['of-the-laptop', 'second'].includes(each))).toEqual([])
    expect((await laptop.run(['leave'])).exitCode).toBe(3)
    expect((await box.run(['leave'])).exitCode).toBe(5)
  })

  test('in the foreground it stays until it is terminated, by a token that may be used again and stays', async () => {
    const [, url = '', , token = '', , ca = ''] = await invited('--name', 'third', '--reusable')
    const staying = laptop.start(['join', url, '--ca', ca, ...more, '--foreground'], { NATIVE_TOKEN: token })
    await untilThere(true)
    staying.terminate()
    expect((await staying.done).exitCode).toBe(0)
    await untilThere(false)
    expect(await statusOf(laptop)).toMatchObject({ state: 'absent' })
    expect(await tokenNames()).toContain('third')
  })

  test('in the foreground it ends with its supervisor, and the worker with both', async () => {
    const [, url = '', , token = '', , ca = ''] = await invited('--name', 'fifth')
    const staying = laptop.start(['join', url, '--ca', ca, ...more, '--foreground'], { NATIVE_TOKEN: token })
    await untilThere(true)
    const worker = (await statusOf(laptop)).servers[0]?.id
    const supervisor = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1]
    process.kill(Number(supervisor), 'SIGKILL')
    const { exitCode, stderr } = await staying.done
    expect([exitCode, stderr]).toEqual([expect.any(Number), expect.stringContaining('supervisor')])
    expect(exitCode).not.toBe(0)
    await untilThere(false)
    // Its connection is gone a moment before the process is.
    await eventually(
      async () => existsSync(`/proc/${worker}`),
      (there) => !there,
    )
    await laptop.ok('leave')
    expect(await statusOf(laptop)).toMatchObject({ state: 'absent' })
    expect(await tokenNames()).not.toContain('fifth')
  })

  test('down ends it too', async () => {
    await laptop.ok(...(await invited('--name', 'fourth')), ...more)
    await untilThere(true)
    await laptop.ok('down')
    await untilThere(false)
    expect(await statusOf(laptop)).toMatchObject({ state: 'absent' })
  })

  test.runIf(existsSync(otherClock)).each([
    ['behind', '-20h'],
    ['ahead', '+20h'],
  ])('a machine whose clock is %s (%s) joins, runs actions and leaves', async (name, offset) => {
    const clock = { LD_PRELOAD: otherClock, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
    const joined = await laptop.run([...(await invited('--name', name)), ...more], clock)
    expect([joined.exitCode, joined.stderr]).toEqual([0, expect.anything()])
    await untilThere(true)
    const worker = (await statusOf(laptop)).servers[0]?.id
    expect(readFileSync(`/proc/${worker}/environ`, 'utf8')).toContain(`FAKETIME=${offset}`)
    const ran = await box.ok('exec', '--fresh', '--property', 'pool=laptop', '--', 'readlink', '/proc/self/ns/net')
    expect(ran.stdout).toBe(laptop.network)
    expect((await laptop.run(['leave'], clock)).exitCode).toBe(0)
    await untilThere(false)
  })

  test('with certificates of their own, machines join a cluster that asks for them', async () => {
    const authority = await makeAuthority()
    onTestFinished(() => authority.remove())
    const file = join(box.native.home, 'certificates.yaml')
    const grant = "{ san: '*.workers.example.com', role: worker }"
    await writeFile(file, `tls: { client_ca: ${authority.ca} }\naccess: { certificates: [${grant}] }\n`)
    await box.ok('deploy', '--config', file, '--listen', '0.0.0.0', '--access', 'team', '--sandbox', 'off')
    const { stdout, stderr } = await box.ok('invite', '--name', 'certified')
    for (const each of ['requires client certificates', '`native token revoke certified` revokes it'])
      expect(stderr).toContain(each)
    const line = [...stdout.trim().split(' ').slice(1), ...more]
    const without = await laptop.run(line)
    expect([without.exitCode, without.stderr]).toEqual([7, expect.stringContaining('none was shown')])
    const { cert, key } = await authority.issue('laptop', {
      names: 'DNS:laptop.workers.example.com',
      use: 'clientAuth',
    })
    await laptop.ok(...line, '--tls-cert', cert, '--tls-key', key)
    await untilThere(true)
    const ran = await box.ok('exec', '--fresh', '--property', 'pool=laptop', '--', 'readlink', '/proc/self/ns/net')
    expect(ran.stdout).toBe(laptop.network)
    await laptop.ok('leave')
    await untilThere(false)
    expect(await tokenNames()).not.toContain('certified')
    // A deployment, a machine that joins and one that leaves: much for a machine that is busy.
  }, 240_000)
})
