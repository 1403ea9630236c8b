import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../../fixture/program.ts'
import { cosignProgram } from '../../real/trust/cosign.ts'

/** A program that verifies an image by a key, and what it says when it did. */
export interface VerifyingProgram {
  readonly name: string
  readonly version: string
  verify(image: string, key: string): string[]
}

/** Flags that both have: signed by the key, in no log. */
const byKey = (key: string) => ['verify', '--insecure-ignore-tlog', '--key', key]

/** @param built a checkout that is compiled */
export function nativeVerifier(built: string): VerifyingProgram {
  const { name, version } = native(built)
  const program = [process.execPath, join(built, 'bin/run.js'), 'image']
  return { name, version, verify: (image, key) => [...program, ...byKey(key), image] }
}

/** cosign 2, unpacked: it starts without the chroot's mounts, which would count against it. */
export function cosign(): VerifyingProgram {
  const said = execFileSync(cosignProgram, ['version'], { encoding: 'utf8' })
  return {
    name: 'cosign',
    version: `cosign ${/GitVersion:\s+(\S+)/.exec(said)?.[1] ?? 'of Debian'}`,
    verify: (image, key) => [cosignProgram, ...byKey(key), '--allow-http-registry', image],
  }
}

/** A program that copies images, by the arguments that it wants. */
export interface Copier {
  readonly name: string
  readonly version: string
  push(layout: string, image: string): string[]
  pull(image: string, layout: string): string[]
  mount(from: string, to: string): string[]
}

/** @param built a checkout that is compiled */
export function native(built: string): Copier {
  const copy = [process.execPath, join(built, 'bin/run.js'), 'image', 'copy']
  return {
    name: 'native',
    version: execFileSync(process.execPath, [join(built, 'bin/run.js'), '--version'], { encoding: 'utf8' }).trim(),
    push: (layout, image) => [...copy, `oci:${layout}:v1`, `docker://${image}`],
    pull: (image, layout) => [...copy, `docker://${image}`, `oci:${layout}`],
    mount: (from, to) => [...copy, `docker://${from}`, `docker://${to}`],
  }
}

export function skopeo(): Copier {
  const copy = ['skopeo', '--insecure-policy', 'copy', '--quiet']
  const both = ['--src-tls-verify=false', '--dest-tls-verify=false']
  return {
    name: 'skopeo',
    version: execFileSync('skopeo', ['--version'], { encoding: 'utf8' }).trim(),
    push: (layout, image) => [...copy, '--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${image}`],
    pull: (image, layout) => [...copy, '--src-tls-verify=false', `docker://${image}`, `oci:${layout}:v1`],
    mount: (from, to) => [...copy, ...both, `docker://${from}`, `docker://${to}`],
  }
}

/** From the chroot, which sees the folder at its own path. */
export function crane(folder: string): Copier {
  const run = [join(root, 'test/real/chroot-run'), folder, '--', 'crane']
  const sid = join(process.env['NATIVE_TEST_CACHE'] ?? '/var/cache/native-test', 'sid')
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholder
  const query = ['--admindir', join(sid, 'var/lib/dpkg'), '-W', '-f', '${Version}', 'crane']
  return {
    name: 'crane',
    version: `crane ${execFileSync('dpkg-query', query, { encoding: 'utf8' })}`,
    push: (layout, image) => [...run, 'push', '--insecure', layout, image],
    pull: (image, layout) => [...run, 'pull', '--insecure', '--format=oci', image, layout],
    mount: (from, to) => [...run, 'copy', '--insecure', from, to],
  }
}
