import { withoutStack } from '../core/failure.ts'
import type { OpenCall, Refusal, Visitor } from '../wire/door.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { instanceIn } from './instance.ts'
import { instanceFieldOf, isAllowed, rightFor, rolesFor, type Standing } from './rights.ts'

/** What a caller may do, and until when. */
export interface Grant {
  /** For logs and errors: `token alice`, `anonymous`. Never a secret. */
  readonly name: string
  readonly standing: Standing
  /** The instances that the caller is limited to; all if absent. */
  readonly instances?: readonly string[] | undefined
  /** Milliseconds since 1970; absent if it does not expire. */
  readonly untilMs?: number | undefined
  /** Are these credentials a proof that is renewed each minute, so that its expiry says nothing about its sender? */
  readonly renewed?: boolean
  /** Is the grant still valid? If absent, it is for as long as the server runs. */
  readonly holds?: () => boolean
  /**
   * The `authorization` by which other servers of the cluster recognise the caller; absent if the caller's own works
   * there.
   */
  readonly vouch?: () => string
  /** Why a caller with good credentials may still do nothing. */
  readonly denial?: string
}

/** A visitor whose calls can be ended. */
export interface Guest extends Visitor {
  readonly grant: Grant
  /** From now on the caller is authenticated again; open calls go on. */
  forget(): void
  /** The same, and their open calls end. */
  expel(error: RpcError): void
}

/** Where credentials are required. */
const noCredentials =
  'this server needs credentials: run `native login ADDRESS`, let Bazel use `native credential-helper`, or send the header "authorization: Bearer TOKEN"'

/** Advice for a caller that is limited to instances. */
const unlimited = 'use credentials that are not limited to instances (`native token create` without --instance)'

/** A caller with a grant. */
export function createGuest(grant: Grant): Guest {
  const calls = new Set<OpenCall>()
  const { instances } = grant
  let current = true

  /** @param instance if the call names one @throws RpcError PERMISSION_DENIED */
  function assertWithin(operation: string, instance: string | undefined): void {
    if (!instances) return
    const limits = `${grant.name} may use ${instances.map(quoted).join(', ')} only`
    if (instanceFieldOf(operation) === 'all')
      throw denied(`${limits}, and ${operation} concerns all instances: ${unlimited}`)
    if (instance === undefined || instances.includes(instance)) return
    throw denied(`${limits}, not ${quoted(instance.slice(0, 100))} (Bazel: --remote_instance_name)`)
  }

  return {
    grant,
    calls,
    get current() {
      return current
    },
    limited: instances !== undefined,
    ...(grant.vouch && { vouch: grant.vouch }),
    refusal: (operation) => (isAllowed(grant.standing, operation) ? undefined : refusalOf(grant, operation)),
    inspect(method, message) {
      const field = instanceFieldOf(method)
      const instance = field === 'none' || field === 'all' ? undefined : instanceIn(message, field)
      assertWithin(method, field === 'optional' && instance === '' ? undefined : instance)
    },
    assertInstance: ({ name, instance }) => assertWithin(name, instance),
    forget() {
      current = false
    },
    expel(error) {
      current = false
      for (const call of [...calls]) call.revoked(error)
    },
  }
}

/** A caller with wrong credentials: told so on every call, except for those open to anyone. */
export function createStranger(message: string): Guest {
  const guest = createGuest({ name: 'a stranger', standing: 'nobody' })
  return {
    ...guest,
    // Checked again each time: wrong credentials may become valid in a moment.
    current: false,
    refusal: (operation) => (isAllowed('nobody', operation) ? undefined : unauthenticated(message)),
  }
}

function refusalOf({ name, standing, denial }: Grant, operation: string): Refusal {
  if (denial !== undefined) return denied(`${name}: ${denial}`)
  if (standing === 'nobody') return unauthenticated(noCredentials)
  if (rightFor(operation) === undefined) return denied(`no role may use ${operation.slice(0, 200)}`)
  if (standing === 'invited') return denied(`${name} is good for one thing: \`native join\` exchanges it for a token`)
  if (rightFor(operation) === 'redeem') return denied('only an invitation can be exchanged for a token (native invite)')
  return denied(`${name} has the role ${standing}; ${operation} needs one of: ${rolesFor(operation).join(', ')}`)
}

/** The error for wrong or missing credentials. */
export function unauthenticated(message: string): Refusal {
  return withoutStack(() => new RpcError(Code.UNAUTHENTICATED, message)) as Refusal
}

function denied(message: string): Refusal {
  return withoutStack(() => new RpcError(Code.PERMISSION_DENIED, message)) as Refusal
}

function quoted(instance: string): string {
  return instance === '' ? 'the empty instance name' : JSON.stringify(instance)
}
