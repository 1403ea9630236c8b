import { isAbsolute, join } from 'node:path'
import { stateRootOf, type UserContext } from '../../host/user-folders.ts'

/** Every path that the kind driver touches; the folder is the user's alone. */
export interface KindPaths {
  readonly name: string
  readonly stateRoot: string
  /** Cluster names contain no dot, so this is not a folder of the process driver. */
  readonly state: string
  readonly cluster: string
  /** What kind was given. */
  readonly config: string
  /** Ours: every call of kubectl reads it, whatever the user's current context is. */
  readonly kubeconfig: string
  /** The user's own, to which a context is added. */
  readonly userKubeconfig: string
  readonly lock: string
  /** The authority and the certificate of the Gateways. */
  readonly tls: string
  /** The hashes of the tokens of clients, which a Secret has a copy of. */
  readonly tokens: string
}

export function kindPaths(name: string, user: UserContext): KindPaths {
  const stateRoot = stateRootOf(user)
  const state = join(stateRoot, `${name}.kind`)
  return {
    name,
    stateRoot,
    state,
    cluster: join(state, 'cluster.json'),
    config: join(state, 'kind.yaml'),
    kubeconfig: join(state, 'kubeconfig'),
    userKubeconfig: userKubeconfig(user),
    lock: join(stateRoot, `.${name}.kind.lock`),
    tls: join(state, 'tls'),
    tokens: join(state, 'tokens.json'),
  }
}

/** kubectl writes into the first file of KUBECONFIG; so do we. */
function userKubeconfig({ env, home }: UserContext): string {
  const first = env['KUBECONFIG']?.split(':').find((each) => each !== '' && isAbsolute(each))
  return first ?? join(home, '.kube/config')
}
