/**
 * What an acknowledged write survives. `process`: the end of the process, however it ends (the
 * bytes are the kernel's by then). `power`: a power cut too (they are synced first).
 */
export type Durability = 'process' | 'power'
