import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

const base = join(process.env['NATIVE_TEST_CACHE'] ?? '/var/cache/native-test', 'base')

/** A small Debian for this machine's platform, as provision makes it. */
export const debianBase = `oci:${base}:1`

/** Is it there? Missing is told in a line, and fails the suite in CI. */
export async function haveBase(): Promise<boolean> {
  const isThere = await access(`${base}.stamp`).then(
    () => true,
    () => false,
  )
  if (isThere) return true
  const line = 'a base image is missing: run "sudo bash test/real/provision" to get it'
  if (process.env['CI'] === 'true') throw new Error(line)
  process.stderr.write(`skipped: ${line}\n`)
  return false
}

/** A base for another platform, which nothing of is run: an empty /tmp. */
export async function emptyBase(folder: string, architecture: string): Promise<string> {
  const layout = join(folder, `base-${architecture}`)
  const image = `${layout}:1`
  await mkdir(join(folder, 'empty/tmp'), { recursive: true })
  await execa('umoci', ['init', '--layout', layout])
  await execa('umoci', ['new', '--image', image])
  await execa('umoci', ['config', '--image', image, '--architecture', architecture, '--os', 'linux'])
  await execa('umoci', ['insert', '--image', image, join(folder, 'empty'), '/'])
  return `oci:${image}`
}
