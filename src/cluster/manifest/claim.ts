import { type KubeObject, type Metadata, objectOf } from './object.ts'

const mebibyte = 1024 * 1024

/** A claim to the volume of a single pod. @param bytes its size, rounded up to whole MiB */
export function claimOf(metadata: Metadata, bytes: number): KubeObject {
  const storage = `${Math.ceil(bytes / mebibyte)}Mi`
  return objectOf('v1', 'PersistentVolumeClaim', metadata, {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  })
}
