import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { keptToken, type NewText, newToken } from '../../../access/token.ts'
import { errnoOf } from '../../../core/failure.ts'
import { readIfThere, remove, writeWhole } from '../../../host/files.ts'
import { makePrivateFolder } from '../../../host/folders.ts'
import { systemFailure } from '../../../host/system-errors.ts'
import type { ClientTlsFiles } from '../../../wire/tls/client-tls.ts'
import { certificateBy } from '../../../wire/tls/fingerprint.ts'
import type { JoinOptions } from '../../options.ts'
import type { ClusterPaths } from '../paths.ts'

/**
 * What this machine keeps of an invitation: a token, and the certificate to trust. All of it is this user's alone, in a
 * folder that only the configuration of the worker names: to write that is to change from one invitation to another.
 */
export interface InvitationFiles {
  readonly folder: string
  readonly token: string
  /** Undefined where the system's authorities are trusted. */
  readonly tls: ClientTlsFiles | undefined
}

/**
 * Fetches the certificate and makes a folder with it, beside that of a worker that is there already.
 * @throws Failure 'denied' when the server is another one than the invitation says
 */
export async function makeInvitation(
  { paths, uid }: { readonly paths: ClusterPaths; readonly uid: number },
  { url, fingerprint, tlsCert: cert, tlsKey: key }: JoinOptions,
  signal: AbortSignal,
): Promise<InvitationFiles> {
  const certificate = fingerprint === undefined ? undefined : await certificateBy(fingerprint, url, signal)
  const folder = join(joinedFolder(paths), randomBytes(6).toString('hex'))
  makePrivateFolder(joinedFolder(paths), uid)
  makePrivateFolder(folder, uid)
  const authority = join(folder, 'authority.pem')
  if (certificate) await writeWhole(authority, certificate.pem)
  const trust = certificate && { [certificate.isOwn ? 'pin' : 'ca']: authority }
  const own = cert === undefined || key === undefined ? undefined : { cert, key }
  return { folder, token: join(folder, 'token'), tls: (trust || own) && { ...trust, ...own } }
}

/** Keeps the token of an invitation. */
export function writeToken({ token }: InvitationFiles, text: string): Promise<void> {
  return writeWhole(token, `${text}\n`)
}

/**
 * The token that an invitation is exchanged for. It is kept before the scheduler hears of it: where the answer is lost,
 * the next `join` asks for the same one, which the scheduler knows, and gets the same answer.
 */
export interface Exchange {
  /** Made when it is first asked for. */
  token(): Promise<NewText>
  /** Once the scheduler does not take it, or the worker has it. */
  forget(): Promise<void>
}

/** @param ticket the text of the invitation; what was kept for another one is of no use then */
export function exchangeOf({ exchange: file }: ClusterPaths, ticket: string): Exchange {
  const invitation = createHash('sha256').update(ticket).digest('hex')
  return {
    async token() {
      const [keptFor, text = ''] = (await readIfThere(file))?.trim().split(' ') ?? []
      const kept = keptFor === invitation ? keptToken(text) : undefined
      if (kept) return kept
      // When it expires is for the scheduler to know.
      const made = newToken(null)
      await writeWhole(file, `${invitation} ${made.text}\n`)
      return made
    },
    forget: () => remove(file),
  }
}

/** Removes an invitation that is of no use. */
export function forgetInvitation({ folder }: InvitationFiles): Promise<void> {
  return remove(folder)
}

/**
 * Removes what is kept of all invitations but one: those before it, and what a `join` that was killed had begun.
 * @param kept its folder; absent, there is none
 */
export async function forgetOthers(paths: ClusterPaths, kept: string | undefined): Promise<void> {
  const parent = joinedFolder(paths)
  for (const name of await namesIn(parent)) {
    const path = join(parent, name)
    if (path !== kept) await remove(path)
  }
  await remove(paths.exchange)
  // Of a release that kept one aside under these names.
  for (const former of ['joined.old', 'joined.new']) await remove(join(paths.state, former))
}

const namesFiles = z.object({
  scheduler: z.string(),
  token: z.string(),
  client_tls: z.partialRecord(z.enum(['ca', 'pin', 'cert', 'key']), z.string()).optional(),
})

/** What the worker of this configuration comes with; undefined where there is none, or it is not ours. */
export async function invitationOf(
  configuration: string,
): Promise<(InvitationFiles & { readonly scheduler: string }) | undefined> {
  const text = await readIfThere(configuration)
  const named = text === undefined ? undefined : namesFiles.safeParse(parsed(text)).data
  if (!named) return undefined
  return { folder: dirname(named.token), token: named.token, tls: named.client_tls, scheduler: named.scheduler }
}

function parsed(text: string): unknown {
  try {
    return parse(text)
  } catch {
    // Whoever starts the worker says what is wrong with it.
    return undefined
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw systemFailure(error, { doing: 'cannot read', where: folder })
  }
}

/** Where all of it is. */
export function joinedFolder({ state }: ClusterPaths): string {
  return join(state, 'joined')
}
