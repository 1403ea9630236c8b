import { chmodSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { searchPath } from '../../../src/worker/program.ts'
import { filtered, filterProgram, unfilteredText } from '../../../src/worker/sandbox/seccomp.ts'
import { testFolder } from '../../fixture/folder.ts'
import { openRunner } from './runner.ts'

vi.setConfig({ testTimeout: 30_000 })

/** By the kernel's numbers: what these say to nonsense, where they are not refused. */
const calls =
  process.arch === 'arm64' ? { addKey: 217, userfaultfd: 282, bpf: 280 } : { addKey: 248, userfaultfd: 323, bpf: 321 }
const notPermitted = '1'
const script = `
  sub said { my ($answer) = @_; print defined $answer && $answer >= 0 ? "done" : $! + 0, "\\n" }
  said(syscall(${calls.addKey}, 0, 0, 0, 0, -4)); said(syscall(${calls.userfaultfd}, -1)); said(syscall(${calls.bpf}, -1, 0, 0));
  open my $null, "<", "/dev/null"; my $byte = "x"; said(ioctl($null, 0x5412, $byte));
  my $size = "x" x 8; said(ioctl($null, 0x5413, $size)); said(syscall(${process.arch === 'arm64' ? 172 : 39}))`

/** Refuses seccomp(2) with the flag 4 as the kernel refuses flags that it does not know (EINVAL): code, jumps, value. */
const seccompCall = process.arch === 'arm64' ? 277 : 317
const flagRefused = [
  [0x20, 0, 0, 0],
  [0x15, 0, 3, seccompCall],
  [0x20, 0, 0, 24],
  [0x15, 0, 1, 4],
  [0x06, 0, 0, 0x00050000 | 22],
  [0x06, 0, 0, 0x7fff0000],
].map(([code = 0, whenTrue = 0, whenFalse = 0, value = 0]) => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(whenTrue, 2)
  bytes.writeUInt8(whenFalse, 3)
  bytes.writeUInt32LE(value, 4)
  return bytes
})
const oldKernel = `my $f = pack "H*", shift; my $p = pack "S x6 P", length($f) / 8, $f;
  syscall(${seccompCall}, 1, 0, $p) == 0 or die "no filter: $!"; exec { $ARGV[0] } @ARGV`

const knows = process.platform === 'linux' && filterProgram(process.arch) !== undefined

async function saidBy(way: 'sandbox' | 'namespace') {
  const runner = openRunner(join(await testFolder(), 'worker'), { ways: [way] })
  onTestFinished(() => runner.close())
  const { stdout } = await runner.sh(`perl -e '${script}'`)
  return stdout.trim().split('\n')
}

describe.runIf(knows)('calls of an action', () => {
  test('that no build needs are refused in a sandbox, and ordinary ones are not', async () => {
    const inside = await saidBy('sandbox')
    expect(inside.slice(0, 4)).toEqual(Array(4).fill(notPermitted))
    expect(inside.slice(4)).toEqual(['25', 'done'])
    // Elsewhere the kernel finds them wrong, or does not have them: keys, faults, and a terminal's input.
    const outside = await saidBy('namespace')
    for (const at of [0, 1, 3]) expect(outside[at]).not.toBe(notPermitted)
  })

  test.each(['perl', 'python3'])('%s sets the filter, and what it starts has it', async (language) => {
    const { stdout } = await execa('which', [language])
    const bin = await testFolder()
    symlinkSync(stdout, join(bin, language))
    chmodSync(bin, 0o755)
    const words = [
      ...filtered(process.arch, bin),
      '/bin/sh',
      '-c',
      'grep Seccomp: /proc/self/status; echo "$1"',
      'sh',
      'a b',
    ]
    expect(words[0]).toBe(join(bin, language))
    const ran = await execa('setpriv', ['--no-new-privs', ...words])
    expect(ran.stdout).toBe('Seccomp:\t2\na b')
    // A kernel before 4.17 knows no flag for it. Counted are the filter that says so, and the one that is set nevertheless.
    const old = ['perl', '-e', oldKernel, Buffer.concat(flagRefused).toString('hex')]
    const count = ['/bin/sh', '-c', 'grep Seccomp_filters: /proc/self/status']
    const onOld = await execa('setpriv', ['--no-new-privs', ...old, ...filtered(process.arch, bin), ...count])
    expect(onOld.stdout).toBe('Seccomp_filters:\t2')
  })

  test('a worker says when they are not refused, and why', async () => {
    const runner = openRunner(join(await testFolder(), 'worker'), { ways: ['sandbox'] })
    onTestFinished(() => runner.close())
    const { shell, outcome } = await runner.start({ args: ['/bin/true'] })
    expect(unfilteredText(shell, process.arch, searchPath)).toBeUndefined()
    await outcome
    expect(runner.spawner.notes()).toEqual([])
    const nothing = await testFolder()
    const unfiltered = execa('setpriv', ['--no-new-privs', 'cat'])
    const why = (machine: string, path: string) => unfilteredText(unfiltered.pid ?? 0, machine, path)
    expect(why(process.arch, searchPath)).toMatch(/may make every call of the kernel, since this kernel took no/)
    expect(why(process.arch, nothing)).toContain('neither perl nor python3')
    expect(why('riscv64', searchPath)).toContain('riscv64')
    unfiltered.stdin?.end()
    await unfiltered
  })
})

test('without either of them, and on another machine, there is none', async () => {
  expect(filtered('x64', await testFolder())).toEqual([])
  expect(filtered('riscv64', '/usr/bin')).toEqual([])
})

/** What the kernel would do with the program. */
function answerOf(
  program: Buffer,
  { arch, call, argument = 0 }: { arch: number; call: number; argument?: number },
): number {
  const data = new Map([
    [0, call],
    [4, arch],
    [24, argument],
  ])
  let accumulator = 0
  for (let at = 0; at < program.length / 8; at += 1) {
    const code = program.readUInt16LE(at * 8)
    const value = program.readUInt32LE(at * 8 + 4)
    if (code === 0x20) accumulator = data.get(value) ?? 0
    else if (code === 0x06) return value
    else at += program.readUInt8(at * 8 + ((code === 0x15 ? accumulator === value : accumulator >= value) ? 2 : 3))
  }
  throw new Error('the program has no end')
}

describe.each([
  ['x64', 0xc000003e, 250, 16],
  ['x64', 0x40000003, 288, 54],
  ['arm64', 0xc00000b7, 219, 29],
  ['arm64', 0x40000028, 311, 54],
] as const)('on %s, for programs of %d', (machine, arch, keyctl, ioctl) => {
  const program = filterProgram(machine) ?? Buffer.alloc(0)
  const isAllowed = (call: number, argument?: number) =>
    answerOf(program, { arch, call, ...(argument !== undefined && { argument }) }) === 0x7fff0000

  test('keys, rings of calls and what is pushed into a terminal are refused, and nothing else of the kind', () => {
    expect([isAllowed(keyctl), isAllowed(425), isAllowed(ioctl, 0x5412), isAllowed(ioctl, 0x541c)]).toEqual([
      false,
      false,
      false,
      false,
    ])
    // read, write, and those beside the refused ones.
    expect([1, 3, 4, 63, 64, 428, 435, 439].map((call) => isAllowed(call))).toEqual(Array(8).fill(true))
    expect([isAllowed(ioctl, 0x5401), isAllowed(ioctl, 0x5413), isAllowed(ioctl)]).toEqual([true, true, true])
  })

  test('other instruction sets are refused', () => {
    expect(answerOf(program, { arch: 0x8000_0015, call: 1 })).toBe(0x0005_0001)
  })
})

test('calls of x32 are refused', () => {
  const program = filterProgram('x64') ?? Buffer.alloc(0)
  expect(answerOf(program, { arch: 0xc000003e, call: 0x4000_0001 })).toBe(0x0005_0001)
})
