import type { X509Certificate } from 'node:crypto'
import type { AccessConfig } from '../config/access.ts'
import { isLoopback, parseListen } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import type { Secret } from '../core/secret.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Door } from '../wire/door.ts'
import { createCertificateJudge } from './certificate.ts'
import { createComing } from './coming.ts'
import { createGuests } from './guests.ts'
import { readPasswords } from './htpasswd.ts'
import { isProof, type Judgement, judge, judgeAtOnce, type Known } from './judge.ts'
import { createJwtVerifier } from './jwt.ts'
import { createSlowdown } from './slowdown.ts'
import { readTickets, ticketsBeside } from './tickets-file.ts'
import type { TokenEntry } from './token.ts'
import { readTokens } from './tokens-file.ts'
import { createGuest, createStranger, type Guest } from './visitor.ts'
import { sharedLook, type Watched, watched } from './watched.ts'

/** How often the files are checked: a revocation takes effect after this plus the time of a check. */
const lookMs = 1_000
/** Certificates that are remembered. */
const shownMax = 10_000
const tooManyAtOnce = 'too many logins at once: try again'
const tooMany = 'too many failed logins from this address: wait some seconds, then try again'

export interface DoorOptions {
  /**
   * Where the server listens, `host:port` or `unix:/path`: decides what anonymous clients may do if `access` does not
   * say.
   */
  readonly listen: string
  /** The secret shared by the cluster's servers; if absent, no server can authenticate as one. */
  readonly secret: Secret | undefined
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** A door that watches its files until it is closed. */
export interface WatchingDoor extends Door {
  close(): void
}

/**
 * Opens the door that a configuration describes.
 * @throws Failure for a file that is missing, damaged, or readable by every account
 */
export async function openDoor(access: AccessConfig, options: DoorOptions): Promise<WatchingDoor> {
  const { clock, log, metrics } = options
  const failures = metrics.counter('native_failed_logins_total', 'Logins with credentials that were not good.', [
    'reason',
  ])
  const { known, files } = await openKnown(access, options)
  const guests = createGuests()
  const slowdown = createSlowdown(clock)
  const coming = createComing()
  const certificates = createCertificateJudge(access.certificates, options.secret, clock)
  /** By certificate: a connection has one, but many connections may share it. */
  const shown = new Map<string, Guest>()
  const anonymous = createGuest({
    name: 'whoever has no credentials',
    standing: anonymousStanding(access, options.listen),
  })

  function concluded(judgement: Judgement, authorization: string, peer: string): Guest {
    if (!('wrong' in judgement)) {
      const guest = createGuest(judgement)
      guests.add(authorization, guest)
      return guest
    }
    slowdown.failed(peer)
    failures.inc({ reason: 'wrong' })
    log.warn('a login failed', { peer, reason: judgement.wrong })
    return createStranger(judgement.wrong)
  }

  /** A caller without an `authorization` header, who may have presented a certificate. */
  function withoutHeader(certificate: X509Certificate | undefined): Guest {
    if (!certificate || access.certificates.length === 0) return anonymous
    const known = shown.get(certificate.fingerprint256)
    if (known?.current) return known
    const judgement = certificates.judge(certificate)
    // A certificate that matches nothing must not grant fewer rights than no certificate at all.
    if ('wrong' in judgement) return anonymous.grant.standing === 'nobody' ? createStranger(judgement.wrong) : anonymous
    const guest = createGuest(judgement)
    if (shown.size >= shownMax) shown.clear()
    shown.set(certificate.fingerprint256, guest)
    guests.keep(guest)
    return guest
  }

  /**
   * The credentials may have been created just now, so the files are checked before they are rejected. @param first
   * begun just now
   */
  async function afterLook(authorization: string, first: Judgement | Promise<Judgement>): Promise<Judgement> {
    const before = changes
    const judgement = await first
    if (!('wrong' in judgement)) return judgement
    await looked()
    return changes === before ? judgement : judge(authorization, known)
  }

  async function slowly(authorization: string, peer: string): Promise<Guest> {
    const turn = slowdown.run(peer, () => afterLook(authorization, judge(authorization, known)))
    if (turn) return concluded(await turn, authorization, peer)
    failures.inc({ reason: 'too many' })
    return createStranger(tooMany)
  }

  /** How often the files have changed: an earlier judgement may no longer hold. */
  let changes = 0
  const looked = sharedLook(files, () => {
    changes += 1
    guests.review(clock.now())
  })
  const timer = setInterval(() => {
    looked().then(
      () => guests.review(clock.now()),
      (error: unknown) => log.error('the files of logins', { error }),
    )
  }, lookMs)
  timer.unref()

  return {
    visitor(authorization, peer, certificate) {
      if (authorization === undefined) return withoutHeader(certificate)
      const guest = guests.find(authorization) ?? coming.find(authorization)
      if (guest) return guest
      const isSlow = slowdown.isSlow(peer)
      // However many wait: guessers must not keep out a caller whose good credentials only need a look-up.
      const judgement = isSlow && !isProof(authorization) ? undefined : judgeAtOnce(authorization, known)
      if (judgement && !('wrong' in judgement)) return concluded(judgement, authorization, peer)
      const quickly = async () => {
        const judged = await afterLook(authorization, judgement ?? judge(authorization, known))
        return concluded(judged, authorization, peer)
      }
      const check = isSlow ? () => slowly(authorization, peer) : quickly
      return coming.begin(authorization, peer, check) ?? createStranger(tooManyAtOnce)
    },
    close: () => clearInterval(timer),
  }
}

/** What credentials are checked against, and the files that it is read from. */
async function openKnown(
  access: AccessConfig,
  { clock, log, secret }: DoorOptions,
): Promise<{ readonly known: Known; readonly files: readonly Watched<unknown>[] }> {
  const files: Watched<unknown>[] = []
  const keep = <T>(file: Watched<T>): Watched<T> => {
    files.push(file)
    return file
  }
  const tokens = access.tokens === undefined ? undefined : keep(await watched(access.tokens, tokensById, log))
  const tickets =
    access.tokens === undefined ? undefined : keep(await watched(ticketsBeside(access.tokens), readTickets, log))
  const passwords =
    access.htpasswd === undefined ? undefined : keep(await watched(access.htpasswd.file, readPasswords, log))
  const known: Known = {
    clock,
    log,
    secret,
    tokens: () => tokens?.value ?? new Map(),
    tickets: () => tickets?.value ?? new Map(),
    passwords: () => passwords?.value ?? new Map(),
    passwordRole: access.htpasswd?.role ?? 'writer',
    passwordInstances: access.htpasswd?.instances,
    jwts: access.jwt.length > 0 ? createJwtVerifier(access.jwt, clock, log) : undefined,
  }
  return { known, files }
}

async function tokensById(path: string): Promise<ReadonlyMap<string, TokenEntry> | undefined> {
  const entries = await readTokens(path)
  return entries && new Map(entries.map((entry) => [entry.id, entry]))
}

function anonymousStanding({ anonymous }: AccessConfig, listen: string) {
  const place = parseListen(listen)
  const standing = anonymous ?? ('path' in place || isLoopback(place.host) ? 'writer' : 'none')
  return standing === 'none' ? 'nobody' : standing
}
