import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { copied } from './copying.ts'

/** A registry that takes nothing of the first blob that is sent, and refuses the others once that is under way. */
async function standingRegistry(): Promise<string> {
  const standing = Promise.withResolvers<void>()
  let uploads = 0
  const server = createServer(async (request, response) => {
    const { method, url } = request
    if (method === 'PATCH') return standing.resolve()
    if (method !== 'POST') return response.writeHead(url === '/v2/' ? 200 : 404).end()
    uploads += 1
    if (uploads === 1) return response.writeHead(202, { location: '/v2/app/blobs/uploads/1' }).end()
    await standing.promise
    response.writeHead(403).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

it('a copy of which a blob is refused does not wait for one that stands still', async () => {
  const folder = await testFolder()
  await writeLayout(join(folder, 'in'), await makeImage())
  const destination = `docker://${await standingRegistry()}/app:1`
  await expect(copied(folder, { source: `oci:${folder}/in`, destination })).rejects.toMatchObject({ kind: 'denied' })
})
