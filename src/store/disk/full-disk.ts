import { isDiskFull } from '../../host/system-errors.ts'

/**
 * Does what writes to the disk, again and again while the disk is full and something can be
 * evicted. It must be possible to start the work again.
 * @param relieve evicts something; false when nothing is left
 */
export async function withDiskRoom<T>(work: () => Promise<T>, relieve: () => Promise<boolean>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isDiskFull(error) || !(await relieve())) throw error
    }
  }
}
