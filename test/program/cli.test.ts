import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { createNative, type Native, root, runner } from '../fixture/program.ts'

/** The shape of a value: its keys and the types of what they hold; of a list, that of its first. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])]
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shape(each)]))
}

describe('help', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative([])
  })
  afterAll(() => native.dispose())

  it('of a command has examples', async () => {
    expect((await native.ok('deploy', '--help')).stdout).toContain('native deploy --workers 4')
  })

  it('does not name what is not for people', async () => {
    expect((await native.ok('serve', '--help')).stdout).not.toContain('supervisor')
  })
})

describe('a mistake', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative([])
  })
  afterAll(() => native.dispose())

  it.each([
    [['nonsense'], 2, 'nonsense'],
    [['up', '--nonsense'], 2, '--nonsense'],
    [['up', '--name', 'No Name'], 2, 'cannot be the name of a cluster'],
    [['up', '--driver', 'docker'], 2, '--driver'],
    [['up', '--nodes', '2'], 2, 'use --driver kind'],
    [['up', '--driver', 'kind', '--image', 'a', '--kubernetes-version', '1.34'], 2, '--kubernetes-version'],
    [['deploy', '--only', 'application'], 2, 'use --driver kind'],
    [['deploy', '--diff'], 10, 'no Kubernetes objects'],
    [['deploy', '--cache-size', 'huge'], 2, '--cache-size'],
    [['deploy', '--cache-size', '10'], 2, 'at least 64 MiB'],
    [['deploy', '--workers', '256', '--slots', '1000'], 2, '--slots'],
    [['exec', '--address', 'nowhere', '--', 'a'], 2, '--address'],
    [['exec', '--address', 'a:1', '--name', 'x', '--', 'a'], 2, 'cannot be combined'],
    [['exec', '--port', '0', '--', 'a'], 2, '--port'],
    [['deploy', '--port', '65535'], 2, '--port'],
    [['deploy', '--port', '6000', '--scheduler-port', '6000'], 2, '--scheduler-port'],
    [['deploy', '--driver', 'kind', '--port', '6000'], 2, '--driver process'],
    [['deploy', '--property', 'nothing'], 2, '--property'],
    [['deploy', '--workers', '-1'], 2, '--workers'],
    [['deploy', '--config', 'not-there.yaml'], 3, 'not-there.yaml'],
    [['ips', '--shell', '--json'], 2, '--shell'],
    [['ips'], 3, 'native deploy'],
    [['logs'], 3, 'native deploy'],
    [['serve', 'supervisor', '--state', '/dev/null'], 2, '/dev/null'],
  ])('%j ends with %i and says %j', async (args, code, text) => {
    const { exitCode, stdout, stderr } = await native.run(...args)
    expect(exitCode).toBe(code)
    expect(stdout + stderr).toContain(text)
    expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  })

  it('in a server’s configuration is told alike, however the flag is spelt', async () => {
    const file = join(native.home, 'wrong.yaml')
    await writeFile(file, 'listen: nowhere\nnonsense: 1\n')
    for (const role of ['cas', 'scheduler', 'worker', 'console'])
      for (const config of [file, join(native.home, 'absent.yaml')]) {
        const usual = await native.run('serve', role, `--config=${config}`)
        expect(usual.exitCode).not.toBe(0)
        expect(await native.run('serve', role, '--config', config)).toEqual(usual)
      }
  })

  it('with --json is one object on standard output, and nothing on the other', async () => {
    for (const args of [['ips'], ['nonsense'], ['up', '--name', 'No Name'], ['deploy', '--cache-size', 'huge']]) {
      const { stdout, stderr } = await native.run(...args, '--json')
      expect(Object.keys(JSON.parse(stdout).error)).toEqual(['kind', 'message', 'where', 'next'])
      expect(stderr).toBe('')
    }
  })

  it('with --debug has a stack', async () => {
    expect((await native.run('ips', '--debug')).stderr).toMatch(/^\s+\| +at .*:\d+:\d+\)?$/m)
  })

  it('in a configuration file is told with its line, before anything is made', async () => {
    await writeFile(join(native.home, 'bad.yaml'), 'workers: 1\ncas:\n  drain: soon\n')
    const { exitCode, stderr } = await native.run('deploy', '--config', 'bad.yaml')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('bad.yaml:3:')
    expect(JSON.parse((await native.ok('status', '--json')).stdout).state).toBe('absent')
  })
})

describe('an interrupt', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative()
  })
  afterAll(() => native.dispose())

  it('ends a deployment with 130 and takes back all of it', async () => {
    const child = execa(process.execPath, [join(root, 'bin/run.js'), 'deploy'], {
      env: native.env,
      extendEnv: false,
      cwd: native.home,
      reject: false,
      stdin: 'ignore',
    })
    for await (const line of child.iterable({ from: 'stderr' }))
      if (line.startsWith('Configuration of the servers')) child.kill('SIGINT')
    const { exitCode, stderr } = await child
    expect(exitCode).toBe(130)
    expect(stderr).toContain('interrupted')
    expect(stderr).toContain('Undoing: Supervisor')
    expect(JSON.parse((await native.ok('status', '--json')).stdout)).toMatchObject({ state: 'absent' })
    expect(await readdir(join(native.home, 'state'))).toEqual([])
  })

  it('ends logs that are followed, as it should', async () => {
    await native.ok('up')
    const child = execa(process.execPath, [join(root, 'bin/run.js'), 'logs', '-f'], {
      env: native.env,
      extendEnv: false,
      cwd: native.home,
      reject: false,
      stdin: 'ignore',
    })
    for await (const line of child) if (line.includes('supervising')) child.kill('SIGINT')
    const { exitCode, stderr } = await child
    expect(exitCode).toBe(130)
    expect(stderr).toBe('')
  })
})

test('a home that no folder can be made in is an error, and no wait', async () => {
  for (const HOME of ['/proc', '/dev/null']) {
    const { exitCode, stderr } = await runner(
      join(root, 'bin/run.js'),
      { PATH: process.env['PATH'] ?? '', HOME },
      '/',
    ).run('up')
    expect(stderr).toMatch(/^error: cannot (make the folder|(read|look for) cluster\.json): .*\n +at \//m)
    expect(exitCode).toBe(2)
  }
})

describe('a cluster from up to down', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative()
  })
  afterAll(() => native.dispose())

  it('is up after up, in plain lines with times', async () => {
    const { stdout, stderr } = await native.ok('up')
    expect(stdout).toBe('Cluster "native" is up. Next: native deploy')
    expect(stderr).toMatch(/^Supervisor: process \d+ \(\d+\.\d s\)$/m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
    expect(stderr).not.toMatch(/\u001b/)
  })

  it('is up once, whoever else types up at the same time', async () => {
    const ran = await Promise.all([native.ok('up'), native.ok('up'), native.ok('up')])
    const pids = ran.map(({ stderr }) => /process (\d+)/.exec(stderr.split('Supervisor')[1] ?? '')?.[1])
    expect(new Set(pids).size).toBe(1)
  })

  it('has a status for scripts', async () => {
    const absent = await native.run('status', '--exit-status', '--name', 'nope')
    expect(absent.exitCode).toBe(5)
    expect(absent.stderr).toContain('no cluster of this name (--name)')
    expect((await native.run('status', '--name', 'nope')).exitCode).toBe(0)
    await native.ok('deploy')
    expect((await native.run('status', '--exit-status')).exitCode).toBe(0)
  })

  it('is as before when a deployment is refused, and says what is next when it is deployed', async () => {
    await native.ok('deploy')
    const before = JSON.parse((await native.ok('status', '--json')).stdout)
    expect((await native.run('deploy', '--cache-size', '1MB')).stderr).not.toContain('Undoing')
    expect(JSON.parse((await native.ok('status', '--json')).stdout)).toEqual(before)
    expect((await native.ok('up')).stdout).toBe('Cluster "native" is up, with its servers deployed. Next: native ips')
  })

  it('is reached by its address alone', async () => {
    const { scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
    const elsewhere = { PATH: native.env['PATH'] ?? '', HOME: join(native.home, 'nobody') }
    const { ok } = runner(join(root, 'bin/run.js'), elsewhere, native.home)
    expect((await ok('exec', '--address', scheduler.address, '--', 'echo', 'there')).stdout).toBe('there')
    const port = scheduler.address.split(':')[1]
    expect((await ok('exec', '--port', port, '--', 'echo', 'here')).stdout).toBe('here')
    expect((await ok('bazelrc', '--address', scheduler.address)).stdout).toContain(
      `--remote_executor=grpc://${scheduler.address}`,
    )
  })

  it.each([
    ['a port that nobody listens on', '127.0.0.1:1', 'nothing listens there'],
    ['a name without an address', 'nobody.invalid:50052', 'the host name cannot be resolved'],
  ])('an address that does not answer is told in words: %s', async (_, address, says) => {
    for (const words of [['exec'], ['bazelrc'], ['client', 'bazel']]) {
      const { exitCode, stderr } = await native.run(
        ...words,
        '--address',
        address,
        ...(words[0] === 'exec' ? ['--', 'true'] : []),
      )
      expect(stderr).toContain(`error: no scheduler answers at ${address}: ${says}\n  at --address\n`)
      expect(exitCode).toBe(4)
    }
  })

  it('has the same ports again after down --keep-data, which says what it kept', async () => {
    const before = JSON.parse((await native.ok('ips', '--json')).stdout)
    const { stdout, stderr } = await native.ok('down', '--keep-data')
    expect(stderr).toMatch(/kept \d.* in .*\/data\/native\/native, and the ports/)
    expect(stdout).toContain('native deploy continues with the data that was kept')
    const status = await native.ok('status')
    expect(status.stdout).toMatch(/^Kept by down --keep-data: .*\/data\/native\/native$/m)
    expect(status.stderr).toBe('Next: native deploy continues with the data that was kept, native down removes it.')
    await native.ok('deploy')
    expect(JSON.parse((await native.ok('ips', '--json')).stdout)).toEqual(before)
    expect((await native.ok('exec', '--', 'echo', 'there')).stderr).toContain('cached')
  })

  it('answers ips with two lines and nothing else', async () => {
    await native.ok('deploy')
    const { stdout, stderr } = await native.ok('ips')
    expect(stdout).toMatch(/^Cache IP: 127\.0\.0\.1:\d+\nScheduler IP: 127\.0\.0\.1:\d+$/)
    expect(stderr).toBe('')
  })

  it('answers ips --shell with what a shell can read', async () => {
    expect((await native.ok('ips', '--shell')).stdout).toMatch(/^CACHE=127\.0\.0\.1:\d+\nSCHEDULER=127\.0\.0\.1:\d+$/)
  })

  it('has JSON of a known shape', async () => {
    const of = async (...args: string[]) => shape(JSON.parse((await native.ok(...args, '--json')).stdout))
    expect(await of('ips')).toMatchInlineSnapshot(`
      {
        "cache": {
          "address": "string",
          "url": "string",
        },
        "console": {
          "address": "string",
          "hasPage": "boolean",
          "url": "string",
        },
        "scheduler": {
          "address": "string",
          "url": "string",
        },
      }
    `)
    const status = await of('status')
    expect(status).toMatchInlineSnapshot(`
      {
        "addresses": {
          "cache": {
            "address": "string",
            "url": "string",
          },
          "console": {
            "address": "string",
            "hasPage": "boolean",
            "url": "string",
          },
          "scheduler": {
            "address": "string",
            "url": "string",
          },
        },
        "atLogin": "null",
        "cache": {
          "chunked": {
            "blobs": "number",
            "bytes": "number",
            "sharedBytes": "number",
          },
          "entries": "number",
          "evictedUnusedSeconds": "null",
          "held": [
            {
              "age": "string",
              "bytes": "number",
              "kind": "string",
            },
          ],
          "lastHour": {
            "actionResults": {
              "hits": "number",
              "misses": "number",
            },
            "blobs": {
              "hits": "number",
              "misses": "number",
            },
            "evicted": {
              "bytes": "number",
              "count": "number",
            },
            "executions": {
              "hits": "number",
              "misses": "number",
            },
          },
          "limitBytes": "number",
          "pins": {
            "bytes": "number",
            "bytesMax": "number",
            "holders": [
              {
                "bytes": "number",
                "client": "string",
                "invocation": "string",
                "silentSeconds": "number",
              },
            ],
            "refused": "number",
          },
          "sinceStart": {
            "actionResults": {
              "hits": "number",
              "misses": "number",
            },
            "blobs": {
              "hits": "number",
              "misses": "number",
            },
            "evicted": {
              "bytes": "number",
              "count": "number",
            },
            "executions": {
              "hits": "number",
              "misses": "number",
            },
          },
          "transferred": {
            "receivedBytes": "number",
            "sentBytes": "number",
          },
          "usedBytes": "number",
        },
        "driver": "string",
        "joined": "null",
        "keptData": "null",
        "load": {
          "queued": "number",
          "running": "number",
          "sinceStart": {
            "cached": "number",
            "ended": "number",
          },
          "slots": "number",
          "workers": "number",
        },
        "name": "string",
        "otherWorkers": [],
        "problems": [],
        "sandboxedWorkers": "number",
        "servers": [
          {
            "address": "string",
            "id": "string",
            "metrics": "string",
            "name": "string",
            "notes": [],
            "restarts": "number",
            "role": "string",
            "since": "number",
            "state": "string",
            "version": "string",
          },
        ],
        "state": "string",
        "version": "string",
        "workerCaches": {
          "limitBytes": "number",
          "usedBytes": "number",
          "workers": "number",
        },
      }
    `)
    // What changes a cluster answers with the cluster's status.
    expect(await of('up')).toEqual(status)
    expect(await of('deploy')).toEqual(status)
  })

  it('keeps standard output for JSON: steps go to the other', async () => {
    const { stdout, stderr } = await native.ok('deploy', '--json')
    expect(JSON.parse(stdout).state).toBe('deployed')
    expect(stderr).toContain('A first action on every worker')
  })

  it('shows its servers in a table', async () => {
    const { stdout } = await native.ok('status')
    expect(stdout).toMatch(/^Cluster "native" \(process\): deployed$/m)
    expect(stdout).toMatch(/^cas +ready +127\.0\.0\.1:\d+ /m)
  })

  it('shows logs of the servers that are named', async () => {
    const lines = (await native.ok('logs', 'cas', '--lines', '1')).stdout.split('\n')
    expect(lines).toHaveLength(1)
    expect((await native.run('logs', 'gpu')).exitCode).toBe(3)
    expect(JSON.parse((await native.ok('logs', 'cas', '-n', '1', '--json')).stdout)).toMatchObject({ name: 'cas' })
  })

  it('says so when nothing was logged lately', async () => {
    expect(await native.ok('logs', 'cas', '--since', '1ms')).toMatchObject({
      stdout: '',
      stderr: expect.stringMatching(/^native: nothing was logged since \d{4}-\d{2}-\d{2}T[\d:.]+Z$/),
    })
  })

  it('is gone after down, and down again is fine', async () => {
    await native.ok('down')
    expect(JSON.parse((await native.ok('down', '--json')).stdout)).toMatchObject({ state: 'absent' })
  })
})
