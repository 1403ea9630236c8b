import { defineConfig } from 'vitest/config'

/** What a test waits for to become true may take long on a machine that is busy: vitest gives it a second. */
const expecting = { poll: { timeout: 20_000 } }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/real/**', 'test/program/**'],
          // No test waits for a time; this bounds one that hangs, on a machine that is busy.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: expecting,
        },
      },
      // The built program, started as a user starts it.
      {
        test: {
          name: 'program',
          include: ['test/program/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: expecting,
          // Each file has a home of its own, so no lock of theirs keeps two from choosing one port.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      // Real clients and real peers, one file after the other: they are heavy.
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          exclude: ['test/real/cluster/**'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          expect: expecting,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      // A real Kubernetes, out of what test/real/cluster/provision made.
      {
        test: {
          name: 'cluster',
          include: ['test/real/cluster/**/*.test.ts'],
          globalSetup: ['test/real/cluster/setup.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          expect: expecting,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
