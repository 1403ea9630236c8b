// Has actions meet each limit, as whoever runs it: ends.ts. Prints the cgroups in use, and how each action ended.
// Fails unless each ended for the reason that it should have, and left no cgroup.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endingText } from '../../../src/worker/ending.ts'
import { findCgroups } from '../../../src/worker/limits/cgroups.ts'
import type { Limits } from '../../../src/worker/limits/limits.ts'
import { openRunner, type Runner } from '../../worker/sandbox/runner.ts'

const mebibyte = 1024 * 1024
const limits: Limits = { memoryBytes: 64 * mebibyte, pids: 40, cpus: 0.2 }
const greedy = `perl -e '$x = "x" x (200 * 1024 * 1024)'`
const busy = `perl -e 'my $end = time + 5; 1 while time < $end; exit((times)[0] < 2.5 ? 0 : 1)'`
const attempts = [
  { what: 'memory', script: `echo first; exec ${greedy}`, expected: /^the action took more memory/ },
  { what: 'memory of a child', script: `${greedy}; exit 7`, expected: /^the action took more memory/ },
  { what: 'the next action', script: 'exit 3', expected: /^none$/ },
  { what: 'a signal', script: 'kill -SEGV $$', expected: /SIGSEGV/ },
  {
    what: 'processes',
    script: 'bomb() { bomb | bomb & }; bomb; sleep 2; exit 1',
    expected: /^the action wanted more processes/,
  },
  { what: 'processors', script: busy, expected: /^none$/ },
] as const

/** An emulated machine may take longer for its first slots than a worker waits. */
async function open(turns = 5): Promise<Runner> {
  const runner = openRunner(directory, { ways: ['sandbox'], limits })
  try {
    await runner.sh('true')
    return runner
  } catch (error) {
    await runner.close()
    if (turns === 1) throw error
    return open(turns - 1)
  }
}

const places = findCgroups()
console.log(JSON.stringify({ user: process.getuid?.(), cgroup: readFileSync('/proc/self/cgroup', 'utf8'), places }))
const slotsIn = (place: string) => readdirSync(place).filter((name) => name.startsWith(`native-slot-${process.pid}-`))
const directory = mkdtempSync(join(tmpdir(), 'native-vm-'))
const runner = await open()
let failures = 0
for (const { what, script, expected } of attempts) {
  const ended = await runner.sh(script)
  const code = ended.kind === 'exited' ? ended.code : undefined
  const told = endingText(code ?? 137, ended.met, limits) ?? 'none'
  if (!expected.test(told)) failures += 1
  console.log(`${expected.test(told) ? 'ok' : 'WRONG'} ${what}: exit code ${code}: ${told}`)
}
const directories = [...new Set(Object.values(places).map((place) => place.directory))]
for (const place of directories)
  for (const name of slotsIn(place)) {
    const files = ['memory.max', 'memory.swap.max', 'memory.oom.group', 'pids.max', 'cpu.max', 'memory.events']
    const read = (file: string) => `${file}: ${readFileSync(join(place, name, file), 'utf8').trim()}`
    console.log(
      `${name}: ${files
        .filter((file) => existsSync(join(place, name, file)))
        .map(read)
        .join('; ')
        .replaceAll('\n', ', ')}`,
    )
  }
console.log(`not kept: ${JSON.stringify(runner.spawner.notes())}`)
await runner.close()
rmSync(directory, { recursive: true, force: true })
const left = directories.flatMap(slotsIn)
console.log(`cgroups left: ${left.length}`)
process.exitCode = failures + left.length > 0 ? 1 : 0
