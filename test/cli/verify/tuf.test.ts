import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { wishesOf } from '../../../src/cli/verify/flags.ts'
import { openRoot } from '../../../src/cli/verify/root.ts'
import { verifyByWishes } from '../../../src/cli/verify/run.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { testFolder } from '../../fixture/folder.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { githubIssuer, startDeployment } from '../../trust/fixture/deployment.ts'
import { keylessImage } from '../../trust/fixture/put.ts'

/** A TUF repository on loopback with one key for every role and one target, trusted_root.json. */
async function startMirror(target: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex')
  const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw } }
  const keyid = sha256(canonical(key))
  const common = {
    spec_version: '1.0.31',
    version: 1,
    expires: new Date(Date.now() + 3600_000).toISOString().replace(/\.\d+/, ''),
  }
  const signed = (body: object): string => {
    const sig = sign(null, Buffer.from(canonical(body)), privateKey).toString('hex')
    return JSON.stringify({ signatures: [{ keyid, sig }], signed: body })
  }
  const role = { keyids: [keyid], threshold: 1 }
  const roles = { root: role, timestamp: role, snapshot: role, targets: role }
  const root = signed({ ...common, _type: 'root', consistent_snapshot: false, keys: { [keyid]: key }, roles })
  const hashes = { sha256: sha256(target) }
  const targets = { 'trusted_root.json': { length: Buffer.byteLength(target), hashes } }
  const files = new Map([
    ['/targets.json', signed({ ...common, _type: 'targets', targets })],
    ['/snapshot.json', signed({ ...common, _type: 'snapshot', meta: { 'targets.json': { version: 1 } } })],
    ['/timestamp.json', signed({ ...common, _type: 'timestamp', meta: { 'snapshot.json': { version: 1 } } })],
    ['/targets/trusted_root.json', target],
  ])
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '')
    response.writeHead(file === undefined ? 404 : 200).end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { mirror: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, root, files }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Keys sorted, nothing between them: what TUF signs, for texts without escapes. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${pairs.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`
}

describe('--tuf-mirror', () => {
  it('brings the trusted root of a private deployment, checked against its own root', async () => {
    const folder = await testFolder()
    const { rootText } = await startDeployment()
    const { mirror, root } = await startMirror(rootText)
    const tufRoot = join(folder, 'root.json')
    await writeFile(tufRoot, root)
    const found = await openRoot({ tufMirror: `${mirror}/`, tufRoot, cache: join(folder, 'tuf') })
    expect(found.material.tlogs).toHaveLength(1)
    expect(found.name).toContain(mirror)
  })

  it.each(['alone', 'although a policy names another root'])('is what a signature is verified by (%s)', async (how) => {
    const folder = await testFolder()
    const { deployment, image, identity, digest } = await keylessImage()
    const { mirror, root } = await startMirror(deployment.rootText)
    const [tufRoot, other, policy] = ['root.json', 'other.json', 'policy.yaml'].map((each) => join(folder, each))
    if (!tufRoot || !other || !policy) throw new Error('no files')
    await writeFile(tufRoot, root)
    await writeFile(other, (await startDeployment()).rootText)
    const signers = `[{identity: '${identity}', issuer: '${githubIssuer}'}]`
    await writeFile(policy, `policies: [{images: ['**'], signers: ${signers}, trustedRoot: other.json}]\n`)
    const flags =
      how === 'alone'
        ? { 'certificate-identity': identity, 'certificate-oidc-issuer': githubIssuer }
        : { policy: [policy] }
    const asked = async (place: object) => {
      const { tlsVerify, login, signal } = testImageContext(folder)
      const { verdict } = await verifyByWishes(parseRegistryReference(image), wishesOf(flags), {
        registry: { tlsVerify, login, retryTimes: 0, clock: systemClock, signal },
        root: { cache: join(folder, 'tuf'), ...place },
        builtInPolicies: join(import.meta.dirname, '../../../templates/trust'),
      })
      return verdict
    }
    expect(await asked({ tufMirror: mirror, tufRoot })).toMatchObject({ answer: 'verified', digest })
    expect(await asked(how === 'alone' ? { file: other } : {})).toMatchObject({ answer: 'unsigned' })
  })

  it('that gives something else than was signed is refused', async () => {
    const folder = await testFolder()
    const { rootText } = await startDeployment()
    const { mirror, root, files } = await startMirror(rootText)
    files.set('/targets/trusted_root.json', rootText.replace('mock', 'evil'))
    const tufRoot = join(folder, 'root.json')
    await writeFile(tufRoot, root)
    const opened = openRoot({ tufMirror: mirror, tufRoot, cache: join(folder, 'tuf') })
    await expect(opened).rejects.toMatchObject({ kind: 'unavailable', where: mirror })
  })

  it('that nobody knows needs its root, and a root that is there', async () => {
    const folder = await testFolder()
    const cache = join(folder, 'tuf')
    await expect(openRoot({ tufMirror: 'http://127.0.0.1:1', cache })).rejects.toMatchObject({
      kind: 'unavailable',
      next: expect.arrayContaining([expect.stringContaining('--tuf-root')]),
    })
    await expect(openRoot({ tufMirror: 'nowhere', cache })).rejects.toMatchObject({ kind: 'invalid' })
    const tufRoot = join(folder, 'none.json')
    await expect(openRoot({ tufMirror: 'http://127.0.0.1:1', tufRoot, cache })).rejects.toMatchObject({
      kind: 'not-found',
    })
  })

  it('is not needed: a file, or the root that is shipped, do without', async () => {
    const folder = await testFolder()
    const file = join(folder, 'trusted_root.json')
    await writeFile(file, (await startDeployment()).rootText)
    expect(await openRoot({ file, cache: folder })).toMatchObject({ name: file })
    expect((await openRoot({ cache: folder })).name).toContain('comes with native')
    await expect(openRoot({ file: join(folder, 'none'), cache: folder })).rejects.toMatchObject({ kind: 'not-found' })
  })
})
