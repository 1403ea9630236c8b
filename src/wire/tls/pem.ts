import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'

/** All authorities of a Linux distribution together take 250 KB. */
const fileBytesMax = 4 * 1024 * 1024

/** Reads a PEM file. @throws Failure of the system, or 'invalid' for one that is larger than 4 MiB */
export async function readPem(file: string, what: string): Promise<{ text: string; mode: number }> {
  try {
    const { size, mode } = await stat(file)
    if (size > fileBytesMax)
      throw new Failure('invalid', `${what}: the file is larger than the 4 MiB that it may have`, { where: file })
    return { text: await readFile(file, 'latin1'), mode }
  } catch (error) {
    throw systemFailure(error, { doing: `cannot read ${what}`, where: file })
  }
}

/**
 * The certificates in a PEM text, in order.
 * @param what it is, for errors: "the certificate"
 * @throws Failure 'invalid' if there is none, or one is truncated or not a certificate
 */
export function certificatesIn(text: string, file: string, what: string): X509Certificate[] {
  assertWhole(text, file, what)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    throw new Failure('invalid', `${what}: the file has no certificate in it`, {
      where: file,
      next: ['A certificate in PEM begins with "-----BEGIN CERTIFICATE-----".'],
    })
  return blocks.map((block) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new Failure('invalid', `${what}: the file contains a certificate that cannot be read`, {
        where: file,
        cause,
      })
    }
  })
}

/** @throws Failure 'invalid' for a block that has a beginning and no end */
export function assertWhole(text: string, file: string, what: string): void {
  const count = (word: string) => text.split(`-----${word} `).length
  if (count('BEGIN') === count('END')) return
  throw new Failure('invalid', `${what}: the PEM data in the file is truncated`, {
    where: file,
    next: ['Copy the whole file again: each "-----BEGIN …-----" has its "-----END …-----".'],
  })
}
