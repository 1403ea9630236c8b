import type { Addresses } from '../cluster/driver.ts'

/** The two lines that `native ips` prints. */
export function addressLines({ cache, scheduler }: Addresses): string {
  return `Cache IP: ${cache.address}\nScheduler IP: ${scheduler.address}`
}

/** Two assignments for a shell's eval; bare addresses, as in `--remote_cache=grpc://$CACHE`. */
export function addressAssignments({ cache, scheduler }: Addresses): string {
  return `CACHE=${cache.address}\nSCHEDULER=${scheduler.address}`
}
