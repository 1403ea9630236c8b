import type { Addresses, ConsoleEndpoint, Endpoint } from '../../cluster/addresses.ts'
import { parseGrpcUrl } from '../../core/address.ts'
import type { PlatformProperty } from '../../core/platform.ts'
import { type FileTool, instanceName, type Setting } from './tool.ts'

/** What a block in a bazelrc depends on. */
export interface BazelFacts {
  readonly cluster: string
  readonly addresses: Addresses
  /** Properties that every action requires, so that a cluster with others refuses it. */
  readonly properties: readonly PlatformProperty[]
  /** The path of Bazel's credential helper, if the servers need credentials. */
  readonly helper?: string | undefined
  /** Actions that Bazel keeps in flight: the workers' slots and some more, to keep them busy. */
  readonly jobs: number
}

const configName = 'lre'
/**
 * Bazel waits 0.1 s to 5 s between attempts, doubling each time: 10 retries take half a minute, enough for a scheduler
 * to be replaced. Its default of 5 takes 3 s.
 */
const retries = 10

/** How long Bazel keeps uploading a build's events in the background after the build has ended. */
const uploadSecondsMax = 60

export const bazel: FileTool = {
  name: 'bazel',
  place: '~/.bazelrc',
  witness: 'the last lines of a build with --config=lre count "remote" and "remote cache hit" processes',
  tls: 'certificate',
  sendsToken: true,
  format: 'file',
  comment: '#',
  asksScheduler: true,
  async settings({ cluster, addresses, credentials, helper }) {
    const { bazelProfile } = await import('../bazel-profile.ts')
    const profile = await bazelProfile(addresses.scheduler)
    return bazelSettings({ cluster, addresses, helper: credentials && (await helper()), ...profile })
  },
}

/** The settings that define `--config=lre` (for a cluster with another name than the default, `--config=lre-NAME`). */
export function bazelSettings({ cluster, addresses, properties, jobs, helper }: BazelFacts): Setting[] {
  const config = bazelConfigOf(cluster)
  const setting = (why: string, ...flags: readonly string[]): Setting => ({
    why,
    lines: flags.map((flag) => `build:${config} ${quoted(flag)}`),
  })
  return [
    setting('where blobs and action results are stored', `--remote_cache=${addresses.cache.url}`),
    setting('what runs the actions that are not in the cache', `--remote_executor=${addresses.scheduler.url}`),
    {
      why: 'uncomment to let the cluster download what repository rules ask for, once for all checkouts',
      lines: [`# build:${config} --experimental_remote_downloader=${addresses.cache.url}`],
    },
    setting('the only instance of the cluster', `--remote_instance_name=${instanceName}`),
    ...tlsSettings(addresses.scheduler).map(([why, flag]) => setting(why, flag)),
    setting('actions in flight: twice as many as the workers run at once', `--jobs=${jobs}`),
    setting('enough retries (half a minute) for a server to be replaced', `--remote_retries=${retries}`),
    ...(helper === undefined
      ? []
      : [
          setting(
            'where Bazel gets the token that the cluster requires',
            ...hosts(addresses).map((host) => `--credential_helper=${host}=${helper}`),
          ),
        ]),
    ...(properties.length === 0
      ? []
      : [
          setting(
            'what the workers offer; a worker without it refuses the actions at once',
            ...properties.map(({ name, value }) => `--remote_default_exec_properties=${name}=${value}`),
          ),
        ]),
    ...(addresses.console === undefined ? [] : consoleSettings(addresses.console).map((each) => setting(...each))),
  ]
}

/**
 * Makes Bazel report its builds to the console. With lifecycle events as well, or in another mode, a build would wait
 * up to 5 s for the previous one's upload while no console answers; if it waited for its own, it would fail.
 */
function consoleSettings({ address, url, hasPage }: ConsoleEndpoint): [string, ...string[]][] {
  return [
    ['where Bazel reports builds, for `native builds` and the page', `--bes_backend=${url}`],
    ...(hasPage
      ? [
          ['the page of a build, whose address Bazel prints', `--bes_results_url=http://${address}/build/`] as [
            string,
            string,
          ],
        ]
      : []),
    [
      'no build waits for the console or fails because of it',
      '--bes_upload_mode=fully_async',
      '--nobes_lifecycle_events',
      `--bes_timeout=${uploadSecondsMax}s`,
    ],
  ]
}

/** Bazel's TLS settings: why, and the flag. */
function tlsSettings({ tls = {} }: Endpoint): [string, string][] {
  const { ca, cert, key } = tls
  return [
    ...(ca === undefined
      ? []
      : [['the authority that signed the certificates of the servers', `--tls_certificate=${ca}`] as [string, string]]),
    ...(cert === undefined ? [] : [['the client certificate', `--tls_client_certificate=${cert}`] as [string, string]]),
    ...(key === undefined ? [] : [['and its key', `--tls_client_key=${key}`] as [string, string]]),
  ]
}

/** Of all servers, without duplicates: Bazel asks by host. */
function hosts({ cache, scheduler, console }: Addresses): string[] {
  const places = [cache, scheduler, ...(console ? [console] : [])].map(({ url }) => parseGrpcUrl(url))
  return [...new Set(places.flatMap((place) => ('host' in place ? [place.host] : [])))]
}

/** The name to use with `--config=` for this cluster. */
export function bazelConfigOf(cluster: string): string {
  return cluster === 'native' ? configName : `${configName}-${cluster}`
}

/** Bazel splits a line at white space; a flag that contains some is quoted. */
function quoted(flag: string): string {
  return /[\s"'\\#]/.test(flag) ? `"${flag.replace(/["\\]/g, (character) => `\\${character}`)}"` : flag
}
