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
    /** A file with a token of role worker: instead of `secret`, on a machine outside the cluster. */
    token: z.string().min(1).optional(),
    /** Shown to people and put in every result's metadata; host name and pid if absent. */
    name: z.string().min(1).optional(),
    /** Actions that it runs at once. */
    slots: z.number().int().positive().max(1024).default(1),
    /** The platform properties that it offers; a list offers each value. */
    properties: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
    /** Its own folder: cached inputs, and a work folder for each running action. */
    directory: z.string().min(1),
    /** The size of the input cache. */
    cache_size: size.default(10e9),
    /** Time between SIGTERM and SIGKILL for an action that has timed out. */
    timeout: z.strictObject({ grace: span.default(2_000) }).prefault({}),
    /**
     * How actions get their inputs. copy: each gets fresh copies (reflinks if the file system supports them). auto: the
     * same, but copies that an action left untouched are reused by the next one. links: hard links to the cached files,
     * which saves the space of copies, but an action can write to what others read.
     */
    inputs: z.enum(['auto', 'copy', 'links']).default('auto'),
    /**
     * What actions see of the machine. on: its programs and their own inputs, or they do not run; auto: the same if the
     * machine allows a sandbox, otherwise all that the worker's user sees, as status and log then say; off: all of
     * that.
     */
    sandbox: z.enum(['auto', 'on', 'off']).default('auto'),
    /** Further files and folders that a sandbox mounts read-only: toolchains outside /usr. */
    sandbox_paths: z.array(z.string().regex(/^\//, 'must be an absolute path')).max(64).default([]),
    /** Limits of each action; by cgroups if the worker can create them, otherwise by per-process limits. */
    limits: z
      .strictObject({
        memory: size
          .refine((bytes) => bytes >= leastLimits.memory, `expected at least ${leastLimits.memory} bytes`)
          .optional(),
        /** Processors; 0.5 is half of one's time. With cgroups only. */
        cpus: z.number().positive().max(4096).optional(),
        /** Processes and threads at once. */
        pids: z.number().int().positive().max(4_000_000).default(8192),
        /** The largest file that it may write. */
        file: size.optional(),
        /** What it may write to its own folders in total; checked twice a second. */
        disk: size
          .refine((bytes) => bytes >= leastLimits.disk, `expected at least ${leastLimits.disk} bytes`)
          .optional(),
      })
      .prefault({}),
    /**
     * Tools that run one action after another, for clients that ask for it: Bazel's persistent workers. Off by default,
     * since all of the worker's clients share these processes.
     */
    persistent: z
      .strictObject({
        enabled: z.boolean().default(false),
        /** How long an idle one is kept. */
        idle: span.default(5 * 60_000),
        /** How many idle ones are kept, and how much memory they may use together. */
        idle_max: z.number().int().nonnegative().max(1024).default(8),
        idle_memory: size.default(2e9),
      })
      .prefault({}),
    /**
     * The images that actions run in instead of this machine's programs; only in a sandbox. None by default: with
     * images, anybody who may run actions can have the worker pull from any registry, with its user's logins.
     */
    images: z
      .strictObject({
        /** Which kinds of locations an action's container-image property may name. */
        from: z
          .array(z.enum(['docker', 'docker-daemon', 'oci']))
          .max(3)
          .default([]),
        /** Folders of this machine that `oci:` locations may be in. */
        folders: z.array(z.string().regex(/^\//, 'must be an absolute path')).max(64).default([]),
        /** Files with trust policies. If there are any, an image is used only if one of them accepts its signatures. */
        policies: z.array(z.string().regex(/^\//, 'must be an absolute path')).max(64).default([]),
        /** Space for unpacked images; those in use are kept. */
        size: size.default(20e9),
        /** The image for actions that name none. */
        default: z.string().min(1).optional(),
      })
      .prefault({}),
    /** allowed: an action with the property network=on gets the machine's network in its sandbox. */
    network: z.enum(['denied', 'allowed']).default('denied'),
  })
  .refine(({ secret, token }) => secret === undefined || token === undefined, 'expected a secret or a token, not both')

export type WorkerConfig = z.output<typeof workerConfig>
