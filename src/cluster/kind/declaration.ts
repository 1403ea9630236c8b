import type { DriverDeclaration, Refusal } from '../declaration.ts'
import type { DeployOptions } from '../options.ts'
import { kindPaths } from './paths.ts'

/** Options that determine objects; they apply to rendered files as well. */
const renderTakes: readonly (keyof DeployOptions)[] = [
  'workers',
  'slots',
  'cacheSizeBytes',
  'properties',
  'console',
  'configFile',
  'image',
  'workerImage',
  'base',
  'workerBase',
  'insecureIgnoreSignature',
  'only',
]

/** A configuration file may ask for it as well. */
export const privateRefusal: Refusal = {
  message: 'private is of no use in a cluster of nodes, where nobody has a user id of this machine',
}

/** A configuration file may ask for it as well. */
export const sandboxRefusal: Refusal = {
  kind: 'unimplemented',
  message: 'actions in pods run without a sandbox: a pod without privileges cannot make one',
  next: ['Leave it out, or try the build in a sandbox on a cluster of processes: `native deploy --sandbox on`.'],
}

/** A configuration file may ask for these as well. */
export const listenRefusal: Refusal = {
  message: 'clients call the Gateways, at addresses of the docker network: there is nothing to listen on beside',
  next: ['Leave it out; `native ips` shows the addresses.'],
}

/** The same. */
export const certificateRefusal: Refusal = {
  kind: 'unimplemented',
  message: 'clients know the Gateways by their addresses, for which `native` makes the certificate',
  next: ['Leave it out, and give --tls auto or --tls-client-ca; or use --driver process.'],
}

/** Depends on the cluster as well. */
export const clientCertificatesRefusal: Refusal = {
  kind: 'unimplemented',
  message: "cilium's Gateways cannot pass TLS on to servers that clients know by an address",
  next: [
    'Leave it out, and give --tls auto --access team; or make a cluster with `native up --gateway envoy`, or use --driver process.',
  ],
}

/** The same: network policies let a pod ask no issuer. */
export const keyUrlRefusal: Refusal = {
  kind: 'unimplemented',
  message: 'the servers of a cluster of nodes reach no issuer, to fetch its keys',
  next: ['Write the keys into a file, name that, and deploy again when they change; or use --driver process.'],
}

/** For rendering; a configuration file may ask for these as well. */
export const renderedRefusal: Refusal = {
  kind: 'unimplemented',
  message: 'certificates and tokens are made by a deployment, and not written into files',
  next: ['Leave it out, and put TLS and access control in front of the Gateways yourself.'],
}

const keepDataRefusal: Refusal = {
  kind: 'unimplemented',
  message: 'what the cache holds is inside of the nodes, and cannot be kept without them',
  next: [
    'Leave it out to remove everything; `docker stop` of the nodes keeps them with their data, and `native up` starts them again.',
  ],
}

export const kindDeclaration: DriverDeclaration = {
  kind: 'kind',
  place: 'the servers are pods of a kind cluster',
  takes: {
    up: ['retain', 'nodes', 'nodeImage', 'kubernetesVersion', 'gateway', 'imageArchives', 'registryMirrors', 'publish'],
    deploy: [...renderTakes, 'tls', 'tlsClientCa', 'access'],
    render: [...renderTakes, 'folder', 'gateway'],
    down: [],
  },
  refusals: {
    '--private': privateRefusal,
    '--sandbox': sandboxRefusal,
    '--listen': listenRefusal,
    '--tls': renderedRefusal,
    '--tls-cert': certificateRefusal,
    '--tls-key': certificateRefusal,
    '--tls-client-ca': renderedRefusal,
    '--tls-host': certificateRefusal,
    '--insecure': listenRefusal,
    '--access': renderedRefusal,
    '--keep-data': keepDataRefusal,
  },
  stateFile: (name, user) => kindPaths(name, user).cluster,
}
