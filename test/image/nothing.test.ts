import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findLogin } from '../../src/image/auth.ts'
import { parseConfig } from '../../src/image/config.ts'
import { copyImage } from '../../src/image/copy.ts'
import { askHelper } from '../../src/image/credential-helper.ts'
import { parseManifest, rawManifest } from '../../src/image/manifest.ts'
import { openDockerArchiveSource } from '../../src/image/media/archive/docker-archive.ts'
import { openLayoutSource } from '../../src/image/media/layout.ts'
import { refusal } from '../../src/image/media/registry/answers.ts'
import type { HttpAnswer } from '../../src/image/media/registry/exchange.ts'
import { fetchToken } from '../../src/image/media/registry/token.ts'
import { dockerList, ociConfig, ociIndex, ociManifest } from '../../src/image/media-types.ts'
import { openTar } from '../../src/image/tar/writer.ts'
import { testFolder } from '../fixture/folder.ts'
import { hastyClock, testImageContext } from '../fixture/image-context.ts'
import { forgetfulDestination } from '../fixture/memory-places.ts'

type Document = Record<string, unknown>
type Path = readonly (string | number)[]

/** How Go writes, or reads, that a member of a kind has nothing in it. */
const nothings = {
  text: [null, ''],
  list: [null, []],
  map: [null, {}],
  number: [null],
  /** Of a struct, which Go leaves out or writes as null. */
  struct: [null],
  boolean: [null, false],
} as const

/** The document without what stands at a path, and once for each way to write that nothing is there. */
function variants(
  document: Document,
  path: Path,
  kind: keyof typeof nothings,
): { without: Document; with: Document[] } {
  const changed = (change: (parent: Record<string | number, unknown>, key: string | number) => void): Document => {
    const copy = structuredClone(document)
    let parent: Record<string | number, unknown> = copy
    for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>
    change(parent, path.at(-1) ?? '')
    return copy
  }
  return {
    without: changed((parent, key) => void delete parent[key]),
    with: nothings[kind].map((nothing) =>
      changed((parent, key) => {
        parent[key] = structuredClone(nothing)
      }),
    ),
  }
}

const digest = `sha256:${'0'.repeat(64)}`
const platform = { os: 'linux', architecture: 'amd64', variant: 'v2' }
const descriptor = {
  mediaType: 'application/x',
  digest,
  size: 1,
  annotations: { a: 'b' },
  artifactType: 'application/y',
  platform,
  urls: ['https://host.example/x'],
}
const common = { schemaVersion: 2, artifactType: 'application/z', subject: descriptor, annotations: { c: 'd' } }
const manifest = { ...common, mediaType: ociManifest, config: descriptor, layers: [descriptor] }
const index = { ...common, mediaType: ociIndex, manifests: [descriptor] }
const imageConfig = {
  os: 'linux',
  architecture: 'amd64',
  variant: 'v2',
  created: '2026-01-01T00:00:00Z',
  config: { Env: ['A=b'], Entrypoint: ['e'], Cmd: ['c'], User: 'u', WorkingDir: '/', Labels: { l: 'm' } },
  rootfs: { type: 'layers', diff_ids: [digest] },
  history: [{ empty_layer: true }],
}
const logins = {
  auths: {
    'a.example': { auth: 'dTpw', username: '', password: '', identitytoken: '', registrytoken: '' },
    'b.example': { username: 'u', password: 'p' },
  },
  credHelpers: { 'c.example': 'x' },
  credsStore: 's',
}

async function loginOf(document: unknown): Promise<unknown> {
  const folder = await testFolder()
  const authFile = join(folder, 'config.json')
  await writeFile(authFile, typeof document === 'string' ? document : JSON.stringify(document))
  const runHelper = async () => ({ exitCode: 1, stdout: 'credentials not found in native keychain', missing: false })
  const places = { ...testImageContext(folder).login, authFile, runHelper }
  const found = ['a.example', 'b.example', 'c.example'].map(async (each) => {
    const login = await findLogin(places, each, 'app')
    return login?.kind === 'password' ? [login.user, login.password.reveal()] : login?.token.reveal()
  })
  return Promise.all(found)
}

function answer(body: string, status = 200): HttpAnswer {
  return {
    status,
    url: new URL('https://host.example/token'),
    header: (name) => (name === 'content-type' ? 'application/json' : undefined),
    body: (async function* () {
      yield Buffer.from(body)
    })(),
    discard: () => undefined,
  }
}

async function tokenOf(document: unknown): Promise<unknown> {
  const request = {
    challenge: { scheme: 'bearer', parameters: new Map([['realm', 'https://host.example/token']]) },
    scopes: ['repository:app:pull'],
    credentials: null,
    registry: new URL('https://host.example'),
    name: 'host.example',
  }
  const token = await fetchToken(
    request,
    async () => answer(JSON.stringify(document)),
    hastyClock(),
    new AbortController().signal,
  )
  return { value: token.value.reveal(), expires: token.expires }
}

async function refusalOf(document: unknown): Promise<unknown> {
  return (await refusal(answer(JSON.stringify(document), 400), 'do it', 'host.example')).message
}

const parsed = async (document: unknown): Promise<unknown> => {
  const { digest: _, ...rest } = parseManifest(
    rawManifest(Buffer.from(JSON.stringify(document)), undefined, 'x'),
    'x',
  ) as {
    digest?: unknown
  }
  // Another way to write it is another text, of which nothing but the meaning is compared.
  return rest
}

interface Border {
  readonly name: string
  readonly read: (document: unknown) => Promise<unknown>
  readonly document: Document
  readonly members: readonly (readonly [keyof typeof nothings, ...(string | number)[]])[]
}

const ofDescriptor = (...at: (string | number)[]): Border['members'] => [
  ['map', ...at, 'annotations'],
  ['text', ...at, 'annotations', 'a'],
  ['text', ...at, 'artifactType'],
  ['map', ...at, 'platform'],
  ['text', ...at, 'platform', 'os'],
  ['text', ...at, 'platform', 'architecture'],
  ['text', ...at, 'platform', 'variant'],
  ['list', ...at, 'urls'],
]
const ofAll: Border['members'] = [
  ['text', 'mediaType'],
  ['text', 'artifactType'],
  ['struct', 'subject'],
  ['map', 'annotations'],
  ...ofDescriptor('subject'),
]

const borders: readonly Border[] = [
  {
    name: 'a manifest',
    read: parsed,
    document: manifest,
    members: [
      ...ofAll,
      ['list', 'layers'],
      ['struct', 'manifests'],
      ['struct', 'fsLayers'],
      ...ofDescriptor('config'),
      ...ofDescriptor('layers', 0),
    ],
  },
  {
    name: 'an index',
    read: parsed,
    document: index,
    members: [...ofAll, ['struct', 'layers'], ['struct', 'config'], ...ofDescriptor('manifests', 0)],
  },
  {
    name: 'an index with its type',
    read: parsed,
    document: index,
    members: [['list', 'manifests']],
  },
  {
    name: 'a config',
    read: async (document) => parseConfig(Buffer.from(JSON.stringify(document)), 'x'),
    document: imageConfig,
    members: [
      ['text', 'os'],
      ['text', 'architecture'],
      ['text', 'variant'],
      ['text', 'created'],
      ['map', 'config'],
      ['list', 'config', 'Env'],
      ['list', 'config', 'Entrypoint'],
      ['list', 'config', 'Cmd'],
      ['text', 'config', 'User'],
      ['text', 'config', 'WorkingDir'],
      ['map', 'config', 'Labels'],
      ['map', 'rootfs'],
      ['text', 'rootfs', 'type'],
      ['list', 'rootfs', 'diff_ids'],
      ['list', 'history'],
    ],
  },
  {
    name: "docker's config.json",
    read: loginOf,
    document: logins,
    members: [
      ['map', 'auths'],
      ['map', 'auths', 'a.example'],
      ['text', 'auths', 'a.example', 'auth'],
      ['text', 'auths', 'a.example', 'username'],
      ['text', 'auths', 'a.example', 'identitytoken'],
      ['text', 'auths', 'a.example', 'registrytoken'],
      ['text', 'auths', 'b.example', 'username'],
      ['text', 'auths', 'b.example', 'password'],
      ['map', 'credHelpers'],
      ['text', 'credHelpers', 'c.example'],
      ['text', 'credsStore'],
    ],
  },
  {
    name: 'the answer of a token server',
    read: tokenOf,
    document: { token: 'T', access_token: 'T', expires_in: 60 },
    members: [
      ['text', 'token'],
      ['text', 'access_token'],
      ['number', 'expires_in'],
    ],
  },
  {
    name: "a registry's refusal",
    read: refusalOf,
    document: { errors: [{ code: 'C', message: 'M', detail: {} }] },
    members: [
      ['list', 'errors'],
      ['text', 'errors', 0, 'code'],
      ['text', 'errors', 0, 'message'],
      ['map', 'errors', 0, 'detail'],
    ],
  },
]

const cases = borders.flatMap(({ name, read, document, members }) =>
  members.map(([kind, ...path]) => ({ name, read, document, kind, path, at: path.join('.') })),
)

describe('nothing, written as null, empty or not at all', () => {
  it.each(cases)('is the same in $name: $at', async ({ read, document, kind, path }) => {
    const forms = variants(document, path, kind)
    // Its own type is what a document without a type is known by.
    const expected = await read(forms.without)
    for (const form of forms.with) {
      expect(meaning(await read(form))).toEqual(meaning(expected))
    }
  })

  it.each(['', ' \n', 'null', '{}', '\uFEFF'])('is not a login in a file of %j', async (text) => {
    expect(await loginOf(text)).toEqual([undefined, undefined, undefined])
  })

  it.each([
    '',
    'null',
    '{}',
    '{"ServerURL":"x","Username":"","Secret":""}',
    '{"Username":null,"Secret":null}',
    '{"Username":"<token>","Secret":""}',
  ])('is not a login in the answer %j of a helper', async (stdout) => {
    expect(await askHelper(async () => ({ exitCode: 0, stdout, missing: false }), 'x', 'host.example')).toBeNull()
  })

  it.each(['x', '[]', '{"Username":1,"Secret":"p"}'])('is not taken for %j of a helper', async (stdout) => {
    const asked = askHelper(async () => ({ exitCode: 0, stdout, missing: false }), 'x', 'host.example')
    await expect(asked).rejects.toMatchObject({ kind: 'invalid' })
  })

  it.each(['{', '[1]', '{"auths":[1]}', '{"auths":{"a":1}}'])(
    'is not taken for %j in a file of logins',
    async (text) => {
      await expect(loginOf(text)).rejects.toMatchObject({ kind: 'invalid' })
    },
  )

  it.each([
    { repoTags: null, layers: null },
    { repoTags: [], layers: [] },
    { repoTags: undefined, layers: undefined },
  ])('is an image without names and layers in a docker archive: $repoTags', async ({ repoTags, layers }) => {
    const folder = await testFolder()
    const file = join(folder, 'a.tar')
    const tar = await openTar(file, 0)
    await tar.addBytes('c.json', Buffer.from('{"architecture":"amd64","os":"linux","rootfs":null,"history":null}'))
    await tar.addBytes(
      'manifest.json',
      Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: repoTags, Layers: layers }])),
    )
    await tar.finish()
    const source = await openDockerArchiveSource(file, undefined, folder)
    const options = { platform: 'all', preserveDigests: false, signal: new AbortController().signal } as const
    expect((await copyImage(source, forgetfulDestination(), options)).blobs.written).toBe(1)
    await source.close()
  })

  it.each(['null', '[]'])('is an empty layout where index.json says manifests: %s', async (manifests) => {
    const folder = await testFolder()
    await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await writeFile(join(folder, 'index.json'), `{"schemaVersion":2,"manifests":${manifests}}`)
    await expect(openLayoutSource(folder, undefined)).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('is kept where a list of docker is written as an index of OCI', async () => {
    const list = Buffer.from(`{"schemaVersion":2,"mediaType":"${dockerList}","manifests":null,"annotations":null}`)
    const raw = rawManifest(list, undefined, 'x')
    const source = { name: 'x', manifest: async () => raw, blob: async () => [] as never, close: async () => undefined }
    const options = { platform: 'all', preserveDigests: false, signal: new AbortController().signal } as const
    const written = await copyImage(source, forgetfulDestination({ holds: 'oci' }), options)
    expect(written.mediaType).toBe(ociIndex)
  })

  it('does not make two documents of one (CVE-2021-41190)', () => {
    const both = { ...manifest, manifests: [descriptor] }
    for (const mediaType of [ociManifest, ociIndex]) {
      const raw = rawManifest(Buffer.from(JSON.stringify({ ...both, mediaType })), undefined, 'x')
      expect(() => parseManifest(raw, 'x')).toThrow(/cannot be/)
    }
    expect(() => rawManifest(Buffer.from(JSON.stringify({ ...both, mediaType: '' })), undefined, 'x')).toThrow()
    expect(ociConfig).toContain('config')
  })
})

/** The meaning of an answer: not in which way a member says nothing. */
function meaning(value: unknown): unknown {
  if (value === null || value === '') return undefined
  if (typeof value !== 'object') return value
  const members = Object.entries(value).map(([key, each]) => [key, meaning(each)] as const)
  const said = members.filter(([, each]) => each !== undefined)
  return said.length === 0 ? undefined : Object.fromEntries(said)
}
