import { execFileSync } from 'node:child_process'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { launcherCode } from './launcher-code.ts'

/** Where a sandbox has the launcher. */
export const launcherPath = '/.launch'

const runsMsMax = 10_000

// elf.h. Addresses and sizes of a program whose one segment is its file.
const headerBytes = 64
const segmentBytes = 56
const address = 0x400000
const pageBytes = 0x10000
const executable = 2
const loaded = 1
const stack = 0x6474e551
const mayRead = 4
const mayWrite = 2
const mayExecute = 1

/**
 * A static program of some 500 bytes that takes an action's capabilities away and becomes its program
 * (launcher-code.ts). setpriv does the same, but starting a program that has libraries takes longer than many an action
 * runs.
 * @returns undefined for an instruction set that there is no code for
 */
export function launcherProgram(architecture: string): Buffer | undefined {
  const known = launcherCode[architecture]
  if (!known) return undefined
  const start = headerBytes + 2 * segmentBytes
  const bytes = Buffer.alloc(start)
  // 64 bits, little-endian, version 1.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  bytes.writeUInt16LE(executable, 16)
  bytes.writeUInt16LE(known.machine, 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(BigInt(address + start), 24)
  bytes.writeBigUInt64LE(BigInt(headerBytes), 32)
  bytes.writeUInt16LE(headerBytes, 52)
  bytes.writeUInt16LE(segmentBytes, 54)
  bytes.writeUInt16LE(2, 56)
  const size = BigInt(start + known.code.length)
  bytes.writeUInt32LE(loaded, headerBytes)
  bytes.writeUInt32LE(mayRead | mayExecute, headerBytes + 4)
  for (const at of [16, 24]) bytes.writeBigUInt64LE(BigInt(address), headerBytes + at)
  for (const at of [32, 40]) bytes.writeBigUInt64LE(size, headerBytes + at)
  bytes.writeBigUInt64LE(BigInt(pageBytes), headerBytes + 48)
  // Without this segment some kernels make the stack executable, which others forbid.
  bytes.writeUInt32LE(stack, headerBytes + segmentBytes)
  bytes.writeUInt32LE(mayRead | mayWrite, headerBytes + segmentBytes + 4)
  return Buffer.concat([bytes, known.code])
}

/**
 * Writes the launcher and tries it, unless that has been done.
 * @param path of its file
 * @returns whether it runs here: not with another instruction set, nor on a file system that is mounted noexec
 * @throws a system error
 */
export function makeLauncher(path: string): boolean {
  if (existsSync(path)) return true
  const program = endianness() === 'LE' ? launcherProgram(process.arch) : undefined
  if (!program) return false
  const trial = `${path}.new`
  writeFileSync(trial, program, { mode: 0o755 })
  try {
    execFileSync(trial, { stdio: 'ignore', timeout: runsMsMax, env: {} })
  } catch {
    // Whatever the reason: setpriv is there for it.
    rmSync(trial)
    return false
  }
  renameSync(trial, path)
  return true
}
