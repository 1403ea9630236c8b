import { execa } from 'execa'
import { type Environment, ofNoRepository } from '../tree/environment.ts'
import { proxyVariables } from './proxy.ts'

const timeMsMax = 60_000

/**
 * What git gets to reach an address as we would: libcurl has rules of its own about NO_PROXY, and other names for
 * SSL_CERT_FILE and SSL_CERT_DIR. What the user has said to git itself stays.
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
 * What npm gets to reach its registry as we would: it trusts what the system does, SSL_CERT_FILE and SSL_CERT_DIR
 * included, and where NO_PROXY says something that it cannot read (networks, ports, `*`) it gets our answer.
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
