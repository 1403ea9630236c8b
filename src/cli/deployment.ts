import { isIP } from 'node:net'
import type { ObjectDiff } from '../cluster/driver.ts'
import type { DeployOptions } from '../cluster/options.ts'
import { isHost } from '../core/address.ts'
import { Failure } from '../core/failure.ts'
import { parseProperty, parseSizeFlag } from './values.ts'

/** The flags of `deploy`. */
export interface DeployFlags {
  readonly workers?: number | undefined
  readonly slots?: number | undefined
  readonly 'cache-size'?: string | undefined
  readonly property?: readonly string[] | undefined
  readonly port?: number | undefined
  readonly 'scheduler-port'?: number | undefined
  readonly private?: boolean | undefined
  readonly sandbox?: 'auto' | 'on' | 'off' | undefined
  readonly console?: boolean | undefined
  readonly listen?: string | undefined
  readonly tls?: 'auto' | 'off' | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
  readonly 'tls-client-ca'?: string | undefined
  readonly 'tls-host'?: readonly string[] | undefined
  readonly insecure?: boolean | undefined
  readonly access?: 'none' | 'team' | undefined
  readonly config?: string | undefined
  readonly image?: string | undefined
  readonly 'worker-image'?: string | undefined
  readonly base?: string | undefined
  readonly 'worker-base'?: string | undefined
  readonly 'insecure-ignore-signature'?: boolean | undefined
  readonly only?: 'operations' | 'application' | undefined
}

/**
 * The options from the flags; flags that were not given are absent.
 * @throws Failure 'invalid' for a malformed size or property
 */
export function deployOptionsOf(flags: DeployFlags): DeployOptions {
  const { workers, slots, config, image, base, only } = flags
  const cacheSize = flags['cache-size']
  const schedulerPort = flags['scheduler-port']
  const workerImage = flags['worker-image']
  const workerBase = flags['worker-base']
  return {
    ...(workers !== undefined && { workers }),
    ...(slots !== undefined && { slots }),
    ...(cacheSize !== undefined && { cacheSizeBytes: parseSizeFlag(cacheSize, '--cache-size') }),
    ...(flags.port !== undefined && { port: flags.port }),
    ...(schedulerPort !== undefined && { schedulerPort }),
    ...(flags.private !== undefined && { private: flags.private }),
    ...(flags.sandbox !== undefined && { sandbox: flags.sandbox }),
    ...(flags.console !== undefined && { console: flags.console }),
    ...doorOptionsOf(flags),
    ...(flags.access !== undefined && { access: flags.access }),
    ...(config !== undefined && { configFile: config }),
    ...(image !== undefined && { image }),
    ...(workerImage !== undefined && { workerImage }),
    ...(base !== undefined && { base }),
    ...(workerBase !== undefined && { workerBase }),
    ...(flags['insecure-ignore-signature'] && { insecureIgnoreSignature: true }),
    ...(only !== undefined && { only }),
    properties: (flags.property ?? []).map(parseProperty),
  }
}

/** @throws Failure 'invalid' for a malformed address, and for TLS files when TLS is off */
function doorOptionsOf(flags: DeployFlags): Pick<DeployOptions, 'listen' | 'tls' | 'tlsHosts' | 'insecure'> {
  const { listen, tls, insecure, 'tls-host': tlsHosts } = flags
  if (listen !== undefined && isIP(listen) === 0)
    throw new Failure('invalid', `"${listen}" is not an address of this machine`, {
      where: '--listen',
      next: [
        ...(listen.startsWith('unix:') ? ['Only servers that `native serve` starts listen on sockets.'] : []),
        'Give an address of this machine (`ip address` lists them), or 0.0.0.0 for all of them; --port chooses the port.',
      ],
    })
  const wrong = tlsHosts?.find((each) => !isHost(each))
  if (wrong !== undefined)
    throw new Failure('invalid', `"${wrong}" is neither a host name nor an address`, { where: '--tls-host' })
  const files = { tlsCert: flags['tls-cert'], tlsKey: flags['tls-key'], tlsClientCa: flags['tls-client-ca'] }
  const named = Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined))
  if (tls === 'off' && Object.keys(named).length > 0)
    throw new Failure('invalid', 'certificates cannot be given when TLS is off', {
      where: '--tls',
      next: ['Leave it out.'],
    })
  return {
    ...(listen !== undefined && { listen }),
    ...(tls !== undefined && { tls }),
    ...(tlsHosts !== undefined && { tlsHosts }),
    ...(insecure !== undefined && { insecure }),
    ...named,
  }
}

/** Diffs as one text; a single line if there are none. */
export function diffText(diffs: readonly ObjectDiff[]): string {
  if (diffs.length === 0) return 'Nothing would change.'
  return diffs.map(({ object, change, text }) => `# ${object} would be ${change}\n${text.trimEnd()}`).join('\n')
}
