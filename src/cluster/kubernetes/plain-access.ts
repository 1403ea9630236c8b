import type { RequestOptions } from 'node:https'
import { parse } from 'yaml'
import { z } from 'zod'

/** How a server is reached, and with which identity. */
export interface Access {
  readonly server: string
  /** Adds certificates, tokens and the like to a request. */
  authorize(options: RequestOptions): Promise<void>
}

/** Only these: everything else in a kubeconfig's cluster or user is left to client-node. */
const cluster = z.strictObject({ server: z.url({ protocol: /^https$/ }), 'certificate-authority-data': z.base64() })
const user = z.strictObject({ 'client-certificate-data': z.base64(), 'client-key-data': z.base64() })

const named = <T extends z.ZodRawShape>(shape: T) => z.array(z.object({ name: z.string(), ...shape }))
const config = z.object({
  clusters: named({ cluster: z.unknown() }),
  users: named({ user: z.unknown() }),
  contexts: named({ context: z.object({ cluster: z.string(), user: z.string() }) }),
})

/** A context that is a server with a certificate, and a user with another; undefined for any other. */
export function plainAccess(text: string, contextName: string): Access | undefined {
  const parsed = config.safeParse(parsedYaml(text))
  if (!parsed.success) return undefined
  const { contexts, clusters, users } = parsed.data
  const context = contexts.find(({ name }) => name === contextName)?.context
  const server = cluster.safeParse(clusters.find(({ name }) => name === context?.cluster)?.cluster)
  const who = user.safeParse(users.find(({ name }) => name === context?.user)?.user)
  if (!server.success || !who.success) return undefined
  const decoded = (data: string) => Buffer.from(data, 'base64')
  const certificates = {
    ca: decoded(server.data['certificate-authority-data']),
    cert: decoded(who.data['client-certificate-data']),
    key: decoded(who.data['client-key-data']),
  }
  return {
    server: server.data.server,
    authorize: async (options) => void Object.assign(options, certificates),
  }
}

function parsedYaml(text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    // client-node will fail as well, and says what is wrong.
    if (error instanceof Error) return undefined
    throw error
  }
}
