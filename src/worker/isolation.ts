import { Failure, messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Log } from '../telemetry/log.ts'
import { isSandbox } from './enclosure.ts'
import { type ImageSettings, imageOffersOf } from './images/settings.ts'
import { searchPath } from './program.ts'
import { imageTrouble, type SandboxOptions } from './sandbox/enclosure.ts'
import type { Spawner } from './spawner.ts'

/** How a worker isolates its actions from its machine, as far as it is known by now. */
export interface Isolation {
  readonly sandboxed: boolean
  /** The properties it offers to actions that run in an image. */
  readonly offers: readonly PlatformProperty[]
  /** Which configured isolation is not available here, and why, in whole sentences. */
  notes(): string[]
}

export interface IsolationOptions {
  readonly spawner: Spawner
  readonly sandbox: SandboxOptions
  /** The images that actions may run in; if absent, none. */
  readonly images: ImageSettings | undefined
  /** As in the worker's configuration. */
  readonly setting: 'auto' | 'on' | 'off'
  readonly log: Log
}

/** Follows what the spawner finds out, and logs it. */
export function observeIsolation({ spawner, sandbox, images, setting, log }: IsolationOptions): Isolation {
  let sandboxed = false
  let offers: readonly PlatformProperty[] = []
  let unsandboxed: string | undefined
  /** Why no action can run in an image, where images are configured. */
  let imageless = images && 'there is no sandbox to run them in'
  spawner.way.then(
    ({ kind, refusals }) => {
      log.info('processes of actions are kept together', { by: kind, refusals })
      sandboxed = isSandbox(kind)
      if (images && kind === 'seatbelt') imageless = 'the sandbox of macOS cannot show one'
      if (images && kind === 'sandbox') {
        imageless = imageTrouble(sandbox, searchPath)
        if (imageless === undefined) offers = imageOffersOf(images)
        else log.warn('no action can run in an image', { reason: imageless })
      }
      if (setting !== 'auto' || sandboxed) return
      unsandboxed = `actions run without a sandbox, since none can be made here (${refusals[0] ?? ''}); native doctor says what is missing`
      log.warn('actions run without a sandbox', { reason: refusals[0] })
    },
    (error: unknown) => log.error('no process can be started for actions', { error }),
  )
  return {
    get sandboxed() {
      return sandboxed
    },
    get offers() {
      return offers
    },
    notes: () => [
      ...(unsandboxed === undefined ? [] : [unsandboxed]),
      ...(imageless === undefined ? [] : [`actions that run in an image are refused: ${imageless}`]),
    ],
  }
}

/** For a worker that must not run actions outside a sandbox. @throws Failure 'precondition' when none can be made */
export async function assertSandboxed(spawner: Spawner): Promise<void> {
  try {
    await spawner.way
  } catch (cause) {
    throw new Failure(
      'precondition',
      `no sandbox can be created for actions here, and actions may not run without one: ${messageOf(cause)}`,
      {
        where: 'sandbox: on',
        next: [
          '"native doctor" says what is missing and how to get it.',
          'With "sandbox: auto", actions run without a sandbox if none can be created.',
        ],
        cause,
      },
    )
  }
}
