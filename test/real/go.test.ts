import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

/** A go command without GOCACHEPROG is left out, and said so. */
async function haveGo(): Promise<boolean> {
  if (!(await have('go'))) return false
  const { stdout } = await execa('go', ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' } })
  const [, minor = '0'] = /^go1\.(\d+)/.exec(stdout) ?? []
  if (Number(minor) >= 24) return true
  process.stderr.write(`skipped: GOCACHEPROG came with go 1.24, and this is ${stdout}\n`)
  return false
}

const program = `package main

import "os"

func main() { os.Stdout.WriteString("hello from go\\n") }
`

describe.skipIf(!(await haveGo()))('the go command', () => {
  let native: Native
  let work: Workdir
  let printed: string
  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await native.ok('deploy', '--workers', '0')
    printed = (await native.ok('client', 'go')).stdout
    await mkdir(join(work.path, 'src'))
    await writeFile(join(work.path, 'src/go.mod'), 'module example.com/hello\ngo 1.24\n')
    await writeFile(join(work.path, 'src/main.go'), program)
  })
  afterAll(async () => {
    await native.dispose()
    await work.remove()
  })

  /** Builds on a machine that has what its home has, with what was printed, and runs what was built. */
  async function build(machine: string): Promise<Output> {
    const home = join(work.path, machine)
    await mkdir(home, { recursive: true })
    // -x names each program that is run, the compiler among them.
    const done = await execa('sh', ['-euc', 'eval "$PRINTED"; go build -x -o "$HOME/hello" . && "$HOME/hello"'], {
      cwd: join(work.path, 'src'),
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: home,
        PRINTED: printed,
        NATIVE_CACHEPROG_STATS: '1',
        GOTOOLCHAIN: 'local',
        CGO_ENABLED: '0',
      },
      extendEnv: false,
      all: true,
      reject: false,
    })
    return { exitCode: done.exitCode ?? -1, all: done.all, stdout: done.stdout }
  }

  const compiled = ({ all }: Output) => (all.match(/\/compile -o /g) ?? []).length
  const counted = ({ all }: Output) => {
    const found = /(\d+) found on this machine, (\d+) found in the cluster's cache, (\d+) not found, (\d+) kept/.exec(
      all,
    )
    return (found ?? []).slice(1).map(Number)
  }

  test('compiles once; a second machine compiles nothing; the first has all itself', async () => {
    const cold = await build('first')
    expect(cold.exitCode, cold.all).toBe(0)
    expect(compiled(cold)).toBeGreaterThan(20)
    expect(counted(cold)[1]).toBe(0)
    const warm = await build('second')
    expect(warm.exitCode, warm.all).toBe(0)
    expect(warm.stdout).toBe('hello from go')
    expect(compiled(warm)).toBe(0)
    expect(counted(warm)[1]).toBeGreaterThan(20)
    const again = await build('first')
    expect(compiled(again)).toBe(0)
    expect(counted(again)[0]).toBeGreaterThan(20)
  })

  test('builds where the cluster is away, and says so once', async () => {
    await native.ok('down')
    const alone = await build('third')
    expect(alone.exitCode, alone.all).toBe(0)
    expect(alone.stdout).toBe('hello from go')
    expect(alone.all.match(/this build goes on without the cache/g)).toHaveLength(1)
    expect(compiled(await build('third'))).toBe(0)
  })
})
