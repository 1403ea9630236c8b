/**
 * The environment of every server, whatever starts it: how glibc keeps memory that a server has freed. By default each
 * thread has an arena of its own, and up to 64 MiB at its end are never given back (measured after 40,000 large answers:
 * 200 MB instead of 110).
 */
export const memoryEnvironment = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: String(1024 * 1024) } as const
