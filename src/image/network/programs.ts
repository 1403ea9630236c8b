import { execa } from 'execa'
import { type Environment, ofNoRepository } from '../tree/environment.ts'
import { proxyVariables } from './proxy.ts'

const timeMsMax = 60_000

/**
 * The environment for git to reach a URL as we would: libcurl has its own rules for NO_PROXY, and other names for
 * SSL_CERT_FILE and SSL_CERT_DIR. The user's own git settings stay.
 */
export function gitNetwork(url: string, env: Environment): Record<string, string> {
  if (!/^https?:/.test(url) || !URL.canParse(url)) return {}
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders = '' } = env
  const [folder] = folders.split(':')
  return {
    ...proxyVariables(new URL(url), env),
    ...(file && !env['GIT_SSL_CAINFO'] ? { GIT_SSL_CAINFO: file } : {}),
    ...(folder && !env['GIT_SSL_CAPATH'] ? { GIT_SSL_CAPATH: folder } : {}),
  }
}

/**
 * The environment for npm to reach its registry as we would: it trusts what the system does, including SSL_CERT_FILE
 * and SSL_CERT_DIR, and where NO_PROXY has entries that it does not understand (networks, ports, `*`) it gets our
 * decision.
 * @param own what it needs to be run at all
 */
export async function npmNetwork(
  env: Environment,
  cwd: string,
  own: Readonly<Record<string, string>>,
): Promise<Environment> {
  const common = { ...ofNoRepository(env), NODE_USE_SYSTEM_CA: env['NODE_USE_SYSTEM_CA'] ?? '1' }
  const exceptions = env['NO_PROXY'] || env['no_proxy'] || ''
  if (!/[/:*]/.test(exceptions)) return common
  const asked = await execa('npm', ['config', 'get', 'registry'], {
    cwd,
    env: { ...common, ...own },
    extendEnv: false,
    reject: false,
    timeout: timeMsMax,
    stdin: 'ignore',
  })
  const registry = asked.stdout?.trim() ?? ''
  if (!URL.canParse(registry)) return common
  const url = new URL(registry)
  const isProxied = proxyVariables(url, env)['NO_PROXY'] === ''
  const answer = isProxied ? '' : url.hostname
  return { ...common, NO_PROXY: answer, no_proxy: answer }
}
