import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { keptToken, type NewText, newToken } from '../../../access/token.ts'
import { ownValue } from '../../../config/own-text.ts'
import { errnoOf } from '../../../core/failure.ts'
import { readIfThere, remove, writeWhole } from '../../../host/files.ts'
import { makePrivateFolder } from '../../../host/folders.ts'
import { systemFailure } from '../../../host/system-errors.ts'
import type { ClientTlsFiles } from '../../../wire/tls/client-tls.ts'
import { certificateBy } from '../../../wire/tls/fingerprint.ts'
import type { JoinOptions } from '../../options.ts'
import type { ClusterPaths } from '../paths.ts'

/**
 * What this machine keeps of an invitation: a token, and the certificate to trust. All of it is private to this user,
 * in a folder that only the worker's configuration names: writing that file switches from one invitation to another.
 */
export interface InvitationFiles {
  readonly folder: string
  readonly token: string
  /** Undefined where the system's authorities are trusted. */
  readonly tls: ClientTlsFiles | undefined
}

/**
 * Fetches the certificate and creates a folder with it, beside that of an existing worker.
 * @throws Failure 'denied' when the server is not the one in the invitation
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

/** Stores the token of an invitation. */
export function writeToken({ token }: InvitationFiles, text: string): Promise<void> {
  return writeWhole(token, `${text}\n`)
}

/**
 * The token that an invitation is exchanged for. It is stored before the scheduler is told about it: if the answer is
 * lost, the next `join` asks for the same token, which the scheduler knows, and gets the same answer.
 */
export interface Exchange {
  /** Created on first use. */
  token(): Promise<NewText>
  /** Call when the scheduler refuses it, or the worker has it. */
  forget(): Promise<void>
}

/** @param ticket the text of the invitation; a token stored for another one is discarded */
export function exchangeOf({ exchange: file }: ClusterPaths, ticket: string): Exchange {
  const invitation = createHash('sha256').update(ticket).digest('hex')
  return {
    async token() {
      const [keptFor, text = ''] = (await readIfThere(file))?.trim().split(' ') ?? []
      const kept = keptFor === invitation ? keptToken(text) : undefined
      if (kept) return kept
      // Its expiry is up to the scheduler.
      const made = newToken(null)
      await writeWhole(file, `${invitation} ${made.text}\n`)
      return made
    },
    forget: () => remove(file),
  }
}

/** Removes an invitation that is not needed any more. */
export function forgetInvitation({ folder }: InvitationFiles): Promise<void> {
  return remove(folder)
}

/**
 * Removes what is kept of all invitations but one: of earlier ones, and of a `join` that was killed.
 * @param kept the folder to keep; if absent, none is kept
 */
export async function forgetOthers(paths: ClusterPaths, kept: string | undefined): Promise<void> {
  const parent = joinedFolder(paths)
  for (const name of await namesIn(parent)) {
    const path = join(parent, name)
    if (path !== kept) await remove(path)
  }
  await remove(paths.exchange)
  // From a release that kept an old one aside under these names.
  for (const former of ['joined.old', 'joined.new']) await remove(join(paths.state, former))
}

const namesFiles = z.object({
  scheduler: z.string(),
  token: z.string(),
  client_tls: z.partialRecord(z.enum(['ca', 'pin', 'cert', 'key']), z.string()).optional(),
})

/** The invitation that the worker of this configuration uses; undefined where there is none, or it is not ours. */
export async function invitationOf(
  configuration: string,
): Promise<(InvitationFiles & { readonly scheduler: string }) | undefined> {
  const text = await readIfThere(configuration)
  const named = text === undefined ? undefined : namesFiles.safeParse(await parsed(text)).data
  if (!named) return undefined
  return { folder: dirname(named.token), token: named.token, tls: named.client_tls, scheduler: named.scheduler }
}

async function parsed(text: string): Promise<unknown> {
  const own = ownValue(text)
  if (own) return own
  const { parse } = await import('yaml')
  try {
    // As an earlier release wrote it.
    return parse(text)
  } catch {
    // Starting the worker reports what is wrong with it.
    return undefined
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw systemFailure(error, { doing: 'cannot read the invitations', where: folder })
  }
}

/** The folder of all invitations. */
export function joinedFolder({ state }: ClusterPaths): string {
  return join(state, 'joined')
}
