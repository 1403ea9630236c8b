import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { ensureSecret, secretPrint } from '../../../../src/cluster/kind/rollout/secret.ts'
import { faultyServer, json } from '../../kubernetes/server.ts'

interface Stored {
  readonly immutable: boolean
  readonly data: Readonly<Record<string, string>>
}

/** As much of an API server as has one Secret, or none. */
async function serverWith(before: Stored | undefined) {
  let stored = before
  const written: Stored[] = []
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '', 'http://test')
    if (pathname === '/api/v1')
      return json({ resources: [{ name: 'secrets', kind: 'Secret', namespaced: true }] })(request, response)
    if (pathname !== '/api/v1/namespaces/n/secrets/servers-secret') return json({}, 500)(request, response)
    if (request.method !== 'PATCH')
      return json(stored ? { ...stored, metadata: { resourceVersion: '1' } } : {}, stored ? 200 : 404)(
        request,
        response,
      )
    void text(request).then((body) => {
      stored = JSON.parse(body)
      if (stored) written.push(stored)
      json({ metadata: { resourceVersion: '2' } })(request, response)
    })
  }
  return { server: await faultyServer([answer], 0), written }
}

const encoded = (value: string) => ({ immutable: true, data: { secret: Buffer.from(value).toString('base64') } })

describe('the Secret of the servers', () => {
  test('is made with 256 random bits where there is none, and cannot be changed', async () => {
    const { server, written } = await serverWith(undefined)
    await using _ = server
    const { print, made } = await ensureSecret(server.kubernetes, 'n')
    expect(made).toBe(true)
    expect(written).toMatchObject([{ kind: 'Secret', immutable: true, metadata: { namespace: 'n' } }])
    expect(Buffer.from(written[0]?.data['secret'] ?? '', 'base64').toString()).toMatch(/^[\w-]{43}$/)
    expect(await secretPrint(server.kubernetes, 'n')).toBe(print)
  })

  test('is kept, whoever made it, by every later deployment', async () => {
    const { server, written } = await serverWith(encoded(`${'a'.repeat(40)}\n`))
    await using _ = server
    const first = await ensureSecret(server.kubernetes, 'n')
    expect(await ensureSecret(server.kubernetes, 'n')).toEqual(first)
    expect(first.made).toBe(false)
    expect(written).toEqual([])
  })

  test('is told from another, and not told', async () => {
    const prints = ['a', 'b'].map(async (letter) => {
      const { server } = await serverWith(encoded(letter.repeat(40)))
      await using _ = server
      return await secretPrint(server.kubernetes, 'n')
    })
    const [one, other] = await Promise.all(prints)
    expect(one).not.toBe(other)
    expect(one).toMatch(/^[0-9a-f]{16}$/)
  })

  test.each([
    ['too short', encoded('short-and-known')],
    ['under another key', { immutable: false, data: { password: 'c2hvcnQtYW5kLWtub3du' } }],
    ['no base64', { immutable: false, data: { secret: '%%%' } }],
  ])('that no server would start with is an error with what to do: %s', async (_, stored) => {
    const { server, written } = await serverWith(stored)
    await using __ = server
    const failed = ensureSecret(server.kubernetes, 'n')
    await expect(failed).rejects.toMatchObject({ kind: 'precondition', where: 'Secret n/servers-secret' })
    await expect(failed).rejects.not.toThrow('short-and-known')
    expect(written).toEqual([])
  })
})
