import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { launchDockerRegistry } from '../../fixture/docker-registry.ts'
import { cosign2, pushImage } from '../../real/trust/cosign.ts'
import { cosign, nativeVerifier, type VerifyingProgram } from './contenders.ts'
import { type Timed, timed } from './timed.ts'

/** What one verification took, by program. */
export type NoteVerification = (name: string, title: string, took: Timed) => void

/**
 * The same image, signed by cosign with a key, verified by both by that key, in an order that changes.
 * @param times how often by each; once more at the start, which does not count
 * @returns the programs' versions
 */
export async function verifications(
  folder: string,
  built: string,
  times: number,
  note: NoteVerification,
): Promise<readonly string[]> {
  const own = join(folder, 'verify')
  await mkdir(own)
  const registry = await launchDockerRegistry(own)
  try {
    const image = `${registry.host}/app:1`
    const digest = await pushImage(own, image)
    await cosignOk(own, ['generate-key-pair'])
    const signing = ['sign', '--tlog-upload=false', '--allow-http-registry', '-y', '--key', 'cosign.key']
    await cosignOk(own, [...signing, `${registry.host}/app@${digest}`])
    const programs: readonly VerifyingProgram[] = [nativeVerifier(built), cosign()]
    for (let round = 0; round <= times; round += 1)
      for (const program of round % 2 === 0 ? programs : programs.toReversed()) {
        const took = await timed(program.verify(image, join(own, 'cosign.pub')), own)
        if (round > 0) note(program.name, 'verify an image by key', took)
      }
    return programs.map((each) => each.version)
  } finally {
    registry.stop()
    await rm(own, { recursive: true, force: true })
  }
}

async function cosignOk(folder: string, args: readonly string[]): Promise<void> {
  const done = await cosign2(folder, args)
  if (done.exitCode !== 0) throw new Error(`cosign ${args.join(' ')} ended with ${done.exitCode}: ${done.all}`)
}
