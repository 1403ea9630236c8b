import type { DriverDeclaration } from '../declaration.ts'
import { clusterPaths } from './paths.ts'

export const processDeclaration: DriverDeclaration = {
  kind: 'process',
  place: 'the servers are processes of this machine',
  takes: {
    up: ['retain', 'atLogin'],
    deploy: [
      'workers',
      'slots',
      'cacheSizeBytes',
      'properties',
      'port',
      'schedulerPort',
      'private',
      'sandbox',
      'console',
      'listen',
      'tls',
      'tlsCert',
      'tlsKey',
      'tlsClientCa',
      'tlsHosts',
      'insecure',
      'access',
      'configFile',
      'workerImage',
    ],
    down: ['keepData'],
    join: ['url', 'token', 'fingerprint', 'tlsCert', 'tlsKey', 'worker', 'slots', 'properties', 'sandbox'],
  },
  stateFile: (name, user) => clusterPaths(name, user).cluster,
}
