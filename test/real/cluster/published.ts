import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { launchDockerRegistry } from '../../fixture/docker-registry.ts'
import type { KindNative } from '../../fixture/kind.ts'
import { createWorkdir } from '../../fixture/real.ts'
import { pushImage } from '../trust/cosign.ts'

/** An image of ours in a registry of this machine, as a project publishes one. */
export interface Published {
  /** `localhost:PORT/team/native:1`. */
  readonly image: string
  readonly digest: string
  /** A file with a trust policy: whoever has the key of `sign`. */
  readonly policy: string
  /** cosign signs the digest. */
  sign(): Promise<void>
  /** The tag names another image from now on. */
  moveTag(): Promise<void>
  dispose(): Promise<void>
}

/** @param native whose small image it is */
export async function startPublished({ smallArchive }: Pick<KindNative, 'smallArchive'>): Promise<Published> {
  if (smallArchive === undefined) throw new Error('there is no image to publish')
  const work = createWorkdir()
  const { host, stop } = await launchDockerRegistry(work.path)
  const image = `${host}/team/native:1`
  const digestFile = join(work.path, 'digest')
  const flags = ['--dest-tls-verify=false', '--digestfile', digestFile]
  await execa('skopeo', [
    '--insecure-policy',
    'copy',
    '-q',
    ...flags,
    `docker-archive:${smallArchive}`,
    `docker://${image}`,
  ])
  const digest = await readFile(digestFile, 'utf8')
  const cosign = async (...args: string[]) => {
    const { exitCode, all } = await work.chroot(['env', 'COSIGN_PASSWORD=', 'cosign', ...args])
    if (exitCode !== 0) throw new Error(`cosign ${args.join(' ')} ended with ${exitCode}: ${all}`)
  }
  await cosign('generate-key-pair')
  const policy = join(work.path, 'policy.yaml')
  await writeFile(
    policy,
    `policies: [{images: ['${host}/team/*'], log: ignored, signers: [{key: ${join(work.path, 'cosign.pub')}}]}]\n`,
  )
  return {
    image,
    digest,
    policy,
    sign: () => {
      const unlogged = ['--tlog-upload=false', '--allow-http-registry', '-y', '--use-signing-config=false']
      return cosign('sign', ...unlogged, '--key', 'cosign.key', `${host}/team/native@${digest}`)
    },
    async moveTag() {
      const folder = join(work.path, 'moved')
      await mkdir(folder)
      await pushImage(folder, image)
    },
    async dispose() {
      stop()
      await work.remove()
    },
  }
}
