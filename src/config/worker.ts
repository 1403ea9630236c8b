import { z } from 'zod'
import { leastLimits } from '../core/limit-properties.ts'
import { common } from './common.ts'
import { clientTls } from './tls.ts'
import { endpoint, listenPlace, size, span } from './values.ts'

/** `native serve worker`. */
export const workerConfig = z
  .strictObject({
    ...common,
    listen: listenPlace.optional(),
    scheduler: endpoint,
    cas: endpoint,
    client_tls: clientTls.optional(),
    /** The file of a token with the role worker: in place of `secret`, on a machine that is not the cluster's own. */
    token: z.string().min(1).optional(),
    /** Shown to people and put in every result's metadata; the host's name and pid when absent. */
    name: z.string().min(1).optional(),
    /** Actions that it runs at once. */
    slots: z.number().int().positive().max(1024).default(1),
    /** What it offers; a list offers each value. */
    properties: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
    /** Its own folder: cached inputs, and a work folder for each running action. */
    directory: z.string().min(1),
    /** What cached inputs may take. */
    cache_size: size.default(10e9),
    /** What lies between SIGTERM and SIGKILL for an action whose time-out has passed. */
    timeout: z.strictObject({ grace: span.default(2_000) }).prefault({}),
    /**
     * How actions get their inputs. copy: each has new copies, reflinks where the file system has those. auto: the same,
     * but a copy that an action leaves untouched goes to the next one. links: hard links to the cached files, which saves
     * the copies' room, but an action can write to what others read.
     */
    inputs: z.enum(['auto', 'copy', 'links']).default('auto'),
    /**
     * What actions see of the machine. on: its programs and their own inputs, or they do not run; auto: the same where the
     * machine lets a sandbox be made, else all that the worker's user sees, which status and log then say; off: all of it.
     */
    sandbox: z.enum(['auto', 'on', 'off']).default('auto'),
    /** Further files and folders that a sandbox shows, read-only: toolchains outside /usr. */
    sandbox_paths: z.array(z.string().regex(/^\//, 'must be an absolute path')).max(64).default([]),
    /** What each action may take; by cgroups where the worker may make some, else by limits of each process. */
    limits: z
      .strictObject({
        memory: size
          .refine((bytes) => bytes >= leastLimits.memory, `expected at least ${leastLimits.memory} bytes`)
          .optional(),
        /** Processors; 0.5 is half the time of one. By cgroups alone. */
        cpus: z.number().positive().max(4096).optional(),
        /** Processes and threads at once. */
        pids: z.number().int().positive().max(4_000_000).default(8192),
        /** The largest file that it may write. */
        file: size.optional(),
        /** What it may write to its own folders together; looked at twice a second. */
        disk: size
          .refine((bytes) => bytes >= leastLimits.disk, `expected at least ${leastLimits.disk} bytes`)
          .optional(),
      })
      .prefault({}),
    /**
     * Tools that do one action after the other, for clients that ask for it: Bazel's persistent workers. Off by default, since all
     * clients of the worker share their processes.
     */
    persistent: z
      .strictObject({
        enabled: z.boolean().default(false),
        /** How long an idle one is kept. */
        idle: span.default(5 * 60_000),
        /** How many of those stay, and what they may have in memory together. */
        idle_max: z.number().int().nonnegative().max(1024).default(8),
        idle_memory: size.default(2e9),
      })
      .prefault({}),
    /**
     * The images that actions run in, in place of this machine's programs; in a sandbox alone. None by default: whoever may run
     * actions then has the worker fetch from any registry, with the logins of its user.
     */
    images: z
      .strictObject({
        /** The kinds of places that the property container-image of an action may name. */
        from: z
          .array(z.enum(['docker', 'docker-daemon', 'oci']))
          .max(3)
          .default([]),
        /** Folders of this machine that `oci:` places may be in. */
        folders: z.array(z.string().regex(/^\//, 'must be an absolute path')).max(64).default([]),
        /** What the unpacked images may take; those in use stay. */
        size: size.default(20e9),
        /** The image of actions that name none. */
        default: z.string().min(1).optional(),
      })
      .prefault({}),
    /** allowed: an action with the property network=on has the machine's network in its sandbox. */
    network: z.enum(['denied', 'allowed']).default('denied'),
  })
  .refine(({ secret, token }) => secret === undefined || token === undefined, 'expected a secret or a token, not both')

export type WorkerConfig = z.output<typeof workerConfig>
