import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../core/failure.ts'
import { systemFailure } from '../host/system-errors.ts'

const bytesMax = 1024 * 1024

/**
 * Reads a PEM file of certificates.
 * @throws Failure 'not-found' if there is no such file, 'invalid' if it contains none
 */
export async function loadCertificates(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    const text = size > bytesMax ? '' : await readFile(file, 'latin1')
    if (isCertificate(text)) return text
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the certificates', where: file })
  }
  throw new Failure('invalid', `a file of certificates holds PEM, and at most ${bytesMax} bytes`, { where: file })
}

/** Whether the first of them can be parsed. */
function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== ''
  } catch {
    // Whatever is wrong with it, it is not a certificate.
    return false
  }
}
