import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { readIfThere } from '../host/files.ts'
import type { Log } from '../telemetry/log.ts'

const documentBytesMax = 1024 * 1024
const fetchMsMax = 5_000
/** Minimum interval between fetches for an unknown key: otherwise each bogus token would cause one. */
const pauseMs = 30_000
/** Older keys are fetched again, so that one that its issuer has withdrawn stops working. */
const ageMsMax = 10 * 60_000

const document = z.object({ keys: z.array(z.object({ kty: z.string() }).loose()).max(100) })

/** An issuer's public keys, fetched when needed and kept. */
export interface KeySet {
  /**
   * The known keys; fetched first if there are none or they are old.
   * @param anew a key was missing: fetch again, unless that was just done
   * @throws Failure 'unavailable' if there have never been any
   */
  keys(anew: boolean): Promise<JSONWebKeySet>
}

/** @param place a URL (`https:`, or `http:` on this machine) or a file */
export function createKeySet(place: string, clock: Clock, log: Log): KeySet {
  let known: JSONWebKeySet | undefined
  let triedAtMs = Number.NEGATIVE_INFINITY
  let fetchedAtMs = Number.NEGATIVE_INFINITY
  let coming: Promise<void> | undefined

  async function refresh(): Promise<void> {
    triedAtMs = clock.now()
    try {
      known = await load(place)
      fetchedAtMs = triedAtMs
    } catch (error) {
      log.warn('the keys of an issuer could not be fetched', { jwks: place, kept: known !== undefined, error })
    }
  }

  function refreshOnce(): Promise<void> {
    coming ??= refresh().finally(() => {
      coming = undefined
    })
    return coming
  }

  return {
    async keys(anew) {
      const now = clock.now()
      const paused = Math.abs(now - triedAtMs) < pauseMs
      const wanted = !known || anew || now - fetchedAtMs > ageMsMax
      if (coming || (wanted && !paused)) await refreshOnce()
      if (known) return known
      throw new Failure('unavailable', 'the keys of the issuer cannot be had', { where: place })
    },
  }
}

async function load(place: string): Promise<JSONWebKeySet> {
  const text = /^https?:/.test(place) ? await fetched(place) : await readIfThere(place)
  if (text === undefined) throw new Failure('not-found', 'there is no such file', { where: place })
  return document.parse(JSON.parse(text))
}

async function fetched(url: string): Promise<string> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(fetchMsMax),
  })
  if (!response.ok || !response.body)
    throw new Failure('unavailable', `the answer is ${response.status}`, { where: url })
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body) {
    bytes += piece.byteLength
    if (bytes > documentBytesMax) throw new Failure('invalid', 'the answer is larger than 1 MiB', { where: url })
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
