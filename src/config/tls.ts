import { z } from 'zod'

/** A server's certificates as PEM; the files are read again when they change. */
export const serverTls = z
  .strictObject({
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    /** Instead of both: a folder in which the server keeps, and renews, its own authority and certificate. */
    auto: z.string().min(1).optional(),
    /** With `auto`: names and addresses that clients use, besides those of this machine and of `listen`. */
    hosts: z.array(z.string().min(1)).max(100).default([]),
    /** Authorities whose client certificates are accepted: one file, or several. */
    client_ca: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(100)]).optional(),
    /** required: clients without an accepted certificate are refused; optional: clients without any are served. */
    client_cert: z.enum(['required', 'optional']).default('required'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together')
  .refine(({ cert, auto }) => (cert === undefined) !== (auto === undefined), 'expected either cert and key, or auto')

/** Whom this server trusts when it calls others at grpcs://, and what it presents; default: the system's authorities. */
export const clientTls = z
  .strictObject({
    ca: z.string().min(1).optional(),
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    /** The servers' exact certificate, whatever host it is for; instead of `ca`. */
    pin: z.string().min(1).optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together')

export type ServerTlsConfig = z.output<typeof serverTls>
export type ClientTlsConfig = z.output<typeof clientTls>
