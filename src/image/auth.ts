import { join } from 'node:path'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import { runtimeFolder, xdgFolder } from '../host/user-folders.ts'
import { askHelper, type HelperRunner } from './credential-helper.ts'
import type { Credentials } from './credentials.ts'
import { isBlank, maybe, text, texts } from './go-json.ts'
import { checked, parseJson } from './manifest.ts'
import { sizeIfThere, smallFile } from './media/files.ts'
import { secret } from './secret.ts'

/** Where logins are looked up; everything from outside is passed in here. */
export interface LoginPlaces {
  /** `--authfile` or REGISTRY_AUTH_FILE: if set, no other file is read. */
  readonly authFile?: string
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Runs `docker-credential-NAME`. */
  readonly runHelper: HelperRunner
}

const fileBytesMax = 4 * 1024 * 1024
const textMax = fileBytesMax
const entry = z.preprocess(
  (value) => value ?? {},
  z.looseObject({
    auth: text(textMax),
    username: text(textMax),
    password: text(textMax),
    identitytoken: text(textMax),
    registrytoken: text(textMax),
  }),
)
const schema = z.preprocess(
  (value) => value ?? {},
  z.looseObject({
    auths: maybe(z.record(z.string(), entry)),
    credHelpers: texts(textMax),
    credsStore: text(textMax),
  }),
)
type LoginFile = z.output<typeof schema>

/**
 * The login for a repository, or null: from the first file, in the order of containers-auth.json(5), that has one.
 * Within a file, a helper for the host takes precedence over the store, and the store over `auths`; in `auths` the
 * longest matching `host/path` wins.
 * @throws Failure 'invalid' for a malformed file, 'program' when a helper fails
 */
export async function findLogin(
  places: LoginPlaces,
  registry: string,
  repository: string,
): Promise<Credentials | null> {
  for (const file of loginFiles(places)) {
    if (file !== places.authFile && (await sizeIfThere(file)) === undefined) continue
    const bytes = await smallFile(file, fileBytesMax, 'the file with logins')
    const document = isBlank(bytes) ? null : parseJson(bytes, 'the file with logins', file)
    const login = checked(schema, document, 'the file with logins', file)
    const found = await fromFile(login, places, registry, repository, file)
    if (found) return found
  }
  return null
}

/** Every file that is consulted, in order. */
export function loginFiles(places: LoginPlaces): string[] {
  const { authFile, env, home } = places
  if (authFile !== undefined) return [authFile]
  const runtime = runtimeFolder(places)
  return [
    ...(runtime ? [join(runtime, 'containers/auth.json')] : []),
    join(xdgFolder(places, 'XDG_CONFIG_HOME'), 'containers/auth.json'),
    join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'),
  ]
}

async function fromFile(
  file: LoginFile,
  places: LoginPlaces,
  registry: string,
  repository: string,
  where: string,
): Promise<Credentials | null> {
  const hosts = hostKeys(registry)
  for (const host of hosts) {
    const helper = file.credHelpers?.[host]
    const found = helper ? await askHelper(places.runHelper, helper, host) : null
    if (found) return found
  }
  if (file.credsStore)
    for (const host of hosts) {
      const found = await askHelper(places.runHelper, file.credsStore, host)
      if (found) return found
    }
  const byKey = new Map(Object.entries(file.auths ?? {}).map(([key, value]) => [normalized(key), value]))
  for (const key of [...pathKeys(registry, repository), ...hosts.map(normalized)]) {
    const value = byKey.get(key)
    const found = value && fromEntry(value, `${where} ${key}`)
    if (found) return found
  }
  return null
}

function fromEntry(value: z.output<typeof entry>, where: string): Credentials | null {
  if (value.identitytoken) return { kind: 'identity-token', token: secret(value.identitytoken) }
  if (value.registrytoken) return { kind: 'registry-token', token: secret(value.registrytoken) }
  if (value.auth) {
    const login = Buffer.from(value.auth, 'base64').toString('utf8').replace(/\0+$/, '')
    if (login === ':') return null
    const colon = login.indexOf(':')
    if (colon < 1)
      throw new Failure('invalid', 'a login is malformed: "auth" is not base64 of USER:PASSWORD', { where })
    return { kind: 'password', user: login.slice(0, colon), password: secret(login.slice(colon + 1)) }
  }
  if (value.username) return { kind: 'password', user: value.username, password: secret(value.password) }
  // `docker login` leaves an empty entry beside a credsStore.
  return null
}

/** The Hub is known by the name of its first API. */
function hostKeys(registry: string): string[] {
  return registry === 'docker.io' ? ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'] : [registry]
}

function pathKeys(registry: string, repository: string): string[] {
  const parts = repository.split('/')
  return parts.map((_, at) => [registry, ...parts.slice(0, parts.length - at)].join('/'))
}

function normalized(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '')
}
