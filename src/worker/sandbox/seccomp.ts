import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { errnoOf } from '../../core/failure.ts'
import { findProgram } from '../program.ts'

/** The system call numbers of one instruction set. */
interface CallTable {
  /** AUDIT_ARCH_... of linux/audit.h. */
  readonly arch: number
  readonly ioctl: number
  readonly denied: readonly number[]
}

/** The same everywhere since Linux 5.1: io_uring_setup, io_uring_enter, io_uring_register; quotactl_fd. */
const commonCalls = [425, 426, 427, 443]

/**
 * Calls that no build needs and that most kernel exploits have used: in this order add_key, request_key, keyctl, bpf,
 * perf_event_open, userfaultfd, kexec_load, init_module, finit_module, delete_module, reboot, swapon, swapoff, acct,
 * quotactl, open_by_handle_at, fanotify_init, syslog; and, where they exist, kexec_file_load, iopl, ioperm.
 */
const tables = {
  x64: {
    arch: 0xc000003e,
    ioctl: 16,
    denied: [248, 249, 250, 321, 298, 323, 246, 175, 313, 176, 169, 167, 168, 163, 179, 304, 300, 103, 320, 172, 173],
  },
  ia32: {
    arch: 0x40000003,
    ioctl: 54,
    denied: [286, 287, 288, 357, 336, 374, 283, 128, 350, 129, 88, 87, 115, 51, 131, 342, 338, 103, 110, 101],
  },
  arm64: {
    arch: 0xc00000b7,
    ioctl: 29,
    denied: [217, 218, 219, 280, 241, 282, 104, 105, 273, 106, 142, 224, 225, 89, 60, 265, 262, 116, 294],
  },
  arm: {
    arch: 0x40000028,
    ioctl: 54,
    denied: [309, 310, 311, 386, 364, 388, 347, 128, 379, 129, 88, 87, 115, 51, 131, 371, 367, 103, 401],
  },
} satisfies Record<string, CallTable>

/** The instruction sets that a machine runs, its native one first, and its number of seccomp(2). */
const machines: Readonly<Record<string, { readonly tables: readonly CallTable[]; readonly seccomp: number }>> = {
  x64: { tables: [tables.x64, tables.ia32], seccomp: 317 },
  arm64: { tables: [tables.arm64, tables.arm], seccomp: 277 },
}

/** TIOCSTI and TIOCLINUX inject input into the user's terminal. */
const deniedIoctls = [0x5412, 0x541c]
/** Calls of the x32 ABI have this bit; no distribution's programs use them. */
const x32Bit = 0x40000000

// linux/filter.h, linux/seccomp.h: fields of struct seccomp_data, instructions, and return values.
const field = { call: 0, arch: 4, secondArgument: 24 }
const load = 0x20
const jumpIfEqual = 0x15
const jumpIfAtLeast = 0x35
const answer = 0x06
const allowed = 0x7fff0000
const refused = 0x00050000 | 1 // EPERM

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number]

/**
 * A BPF program that refuses the calls above with EPERM; undefined for a machine whose call numbers are not known here.
 */
export function filterProgram(machine: string): Buffer | undefined {
  const known = machines[machine]
  if (!known || endianness() !== 'LE') return undefined
  const blocks = known.tables.map(blockOf)
  const program: Instruction[] = [
    [load, 0, 0, field.arch],
    ...blocks.flatMap(({ arch, body }): Instruction[] => [[jumpIfEqual, 0, body.length, arch], ...body]),
    // Any other instruction set would be another way to the same calls.
    [answer, 0, 0, refused],
  ]
  const bytes = Buffer.alloc(program.length * 8)
  for (const [at, [code, whenTrue, whenFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8)
    bytes.writeUInt8(whenTrue, at * 8 + 2)
    bytes.writeUInt8(whenFalse, at * 8 + 3)
    bytes.writeUInt32LE(value, at * 8 + 4)
  }
  return bytes
}

/** Always ends with a return value. */
function blockOf({ arch, ioctl, denied }: CallTable): { arch: number; body: Instruction[] } {
  const refusal: Instruction = [answer, 0, 0, refused]
  const pass: Instruction = [answer, 0, 0, allowed]
  const refuseIf = (value: number): Instruction[] => [[jumpIfEqual, 0, 1, value], refusal]
  const ioctls = [[load, 0, 0, field.secondArgument] as const, ...deniedIoctls.flatMap(refuseIf), pass]
  const body: Instruction[] = [
    [load, 0, 0, field.call],
    ...(arch === tables.x64.arch ? ([[jumpIfAtLeast, 0, 1, x32Bit], refusal] satisfies Instruction[]) : []),
    ...[...denied, ...commonCalls].flatMap(refuseIf),
    [jumpIfEqual, 0, ioctls.length, ioctl],
    ...ioctls,
    pass,
  ]
  return { arch, body }
}

/** SECCOMP_SET_MODE_FILTER. */
const operation = 1
/**
 * SECCOMP_FILTER_FLAG_SPEC_ALLOW: without it older kernels slow down everything that is filtered, and even older ones
 * (before 4.17, or where a supervisor of the call allows no flags) refuse it.
 */
const flags = [4, 0]

/**
 * What to prepend to a program to filter its calls and those of all its descendants; empty where nothing here can do
 * so. Neither the shell nor util-linux (before 2.41) can set a filter, but Perl and Python can make system calls. Where
 * the kernel accepts no filter the program runs without, which unfilteredText reports.
 * @param path where programs are looked for
 */
export function filtered(machine: string, path: string): readonly string[] {
  const program = filterProgram(machine)
  const call = machines[machine]?.seccomp
  if (!program || call === undefined) return []
  const hex = program.toString('hex')
  const perl = findProgram('perl', { PATH: path }, '/')
  if ('file' in perl) {
    const script = `my $f = pack "H*", shift; my $p = pack "S x6 P", length($f) / 8, $f; for my $flags (${flags.join(', ')}) { last if syscall(${call}, ${operation}, $flags, $p) == 0 } exec { $ARGV[0] } @ARGV; exit 127`
    return [perl.file, '-e', script, '--', hex]
  }
  const python = findProgram('python3', { PATH: path }, '/')
  if ('problem' in python) return []
  const script = `import ctypes, os, struct, sys
f = ctypes.create_string_buffer(bytes.fromhex(sys.argv[1]))
p = ctypes.create_string_buffer(struct.pack("H6xP", (len(f) - 1) // 8, ctypes.addressof(f)))
any(ctypes.CDLL(None).syscall(${call}, ${operation}, flags, p) == 0 for flags in (${flags.join(', ')}))
os.execvp(sys.argv[2], sys.argv[2:])`
  return [python.file, '-I', '-S', '-c', script, hex]
}

/**
 * What a user has to know when the calls of a process are not filtered although they should be, as a sentence;
 * undefined when they are, or the process has ended. A container's own filter for everything does not count.
 * @param pid of a slot's shell
 * @param path where programs were looked for
 */
export function unfilteredText(pid: number, machine: string, path: string): string | undefined {
  const its = statusOf(pid)
  if (its === undefined) return undefined
  const count = filtersIn(its)
  // Kernels before 5.9 only say whether there is a filter, whoever set it.
  const isFiltered =
    count === undefined ? /^Seccomp:\s*2$/m.test(its) : count > (filtersIn(statusOf('self') ?? '') ?? 0)
  if (isFiltered) return undefined
  return `actions in the sandbox may make every call of the kernel, since ${reasonUnfiltered(machine, path)}`
}

function reasonUnfiltered(machine: string, path: string): string {
  if (!filterProgram(machine)) return `no filter is known for ${machine}`
  if (filtered(machine, path).length > 0) return 'this kernel took no seccomp filter'
  return `neither perl nor python3, one of which sets the filter, is in ${path}`
}

function filtersIn(status: string): number | undefined {
  const count = /^Seccomp_filters:\s*(\d+)$/m.exec(status)
  return count ? Number(count[1]) : undefined
}

/** The kernel's status of a process; undefined when it has ended. */
function statusOf(pid: number | 'self'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
