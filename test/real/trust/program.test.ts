import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { verdictExitCodes } from '../../../src/trust/verdict.ts'
import { createNative } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'
import { startDockerRegistry } from '../image/docker-registry.ts'
import { cosign2, flipped, haveTrixie, pushImage } from './cosign.ts'

// The program that users have, on images that real cosign signed in Debian's docker-registry: each answer with its
// exit code, in words and as JSON.

const canRun = (await have('docker-registry', 'skopeo')) && (await haveTrixie())
const plain = ['--tlog-upload=false', '--allow-http-registry', '-y', '--key', 'cosign.key']
const byKey = ['--key', 'cosign.pub', '--insecure-ignore-tlog']

async function begin() {
  const native = await createNative([])
  onTestFinished(() => native.dispose())
  const folder = native.home
  const { host } = await startDockerRegistry(folder)
  const cosign = async (...args: string[]) => {
    const done = await cosign2(folder, args)
    expect(done.exitCode, done.all).toBe(0)
  }
  const digest = await pushImage(folder, `${host}/app:1`)
  await cosign('generate-key-pair')
  await cosign('generate-key-pair', '--output-key-prefix', 'other')
  await cosign('sign', ...plain, '-a', 'env=prod', `${host}/app@${digest}`)
  const asked = async (...args: string[]) => {
    const words = await native.run('image', 'verify', ...args)
    const json = await native.run('image', 'verify', '-o', 'json', ...args)
    const said = JSON.parse(json.stdout) as { answer: keyof typeof verdictExitCodes; exitCode: number }
    expect([words.exitCode, json.exitCode, said.exitCode]).toEqual(Array(3).fill(verdictExitCodes[said.answer]))
    expect(words.stdout.startsWith(said.answer === 'not-found' ? 'no such image' : said.answer.replace('-', ' '))).toBe(
      true,
    )
    return words.exitCode
  }
  return { folder, host, digest, image: `${host}/app:1`, cosign, asked }
}

describe.runIf(canRun)('native image verify, of what cosign signed', () => {
  it('answers with 0, and names the digest', async () => {
    const { asked, image, host, digest } = await begin()
    expect(await asked(...byKey, image)).toBe(0)
    expect(await asked(...byKey, '-a', 'env=prod', `${host}/app@${digest}`)).toBe(0)
  })

  it('answers with 20, 21, 22, 25 and 26 where it is not what was asked for', async () => {
    const { folder, asked, image, host } = await begin()
    expect(await asked('--key', 'cosign.pub', image)).toBe(20)
    await pushImage(folder, `${host}/app:2`, 'never signed')
    expect(await asked(...byKey, `${host}/app:2`)).toBe(20)
    expect(await asked('--key', 'other.pub', '--insecure-ignore-tlog', image)).toBe(21)
    expect(await asked(...byKey, '-a', 'env=dev', image)).toBe(21)
    expect(await asked(...byKey, `${host}/app:3`)).toBe(22)
    expect(await asked(...byKey, '--retry-times', '0', 'localhost:1/app:1')).toBe(25)
    expect(await asked(image)).toBe(26)
  })

  it('answers with 23 when one byte of what the registry stores is another', async () => {
    const { folder, asked, image } = await begin()
    await flipped(folder, 'cosign container image signature', 'cosign container imagf signature')
    expect(await asked(...byKey, image)).toBe(23)
  })

  it('answers with 24 when the key was withdrawn', async () => {
    const { folder, asked, image } = await begin()
    const policy = (until: string) =>
      `policies: [{images: ['localhost:*/app'], log: ignored, signers: [{key: cosign.pub, validUntil: ${until}}]}]\n`
    await writeFile(join(folder, 'policy.yaml'), policy('2999-01-01T00:00:00Z'))
    expect(await asked('--policy', 'policy.yaml', image)).toBe(0)
    await writeFile(join(folder, 'policy.yaml'), policy('2020-01-01T00:00:00Z'))
    expect(await asked('--policy', 'policy.yaml', image)).toBe(24)
  })

  it('tells attestations by --type', async () => {
    const { folder, asked, image, host, digest, cosign } = await begin()
    await writeFile(join(folder, 'predicate.json'), '{"a":1}')
    await cosign('attest', ...plain, '--type', 'custom', '--predicate', 'predicate.json', `${host}/app@${digest}`)
    expect(await asked(...byKey, '--type', 'custom', image)).toBe(0)
    expect(await asked(...byKey, '--type', 'spdx', image)).toBe(20)
  })
})
