import type { Exchange } from '../../wire/http.ts'
import { answerBytes, answerEmpty } from './answer.ts'
import type { HttpCache } from './cache.ts'
import type { StoredObject } from './objects.ts'
import { plain, putObject } from './plain.ts'

const tool = 'sccache'
const xml = { 'content-type': 'application/xml; charset=utf-8' }

/**
 * As much of WebDAV (RFC 4918) as sccache needs. There are no folders: a path that ends with a slash
 * is one that exists, so that nobody has to make any.
 */
export async function webdav(cache: HttpCache, exchange: Exchange, key: string): Promise<void> {
  switch (exchange.method) {
    case 'OPTIONS':
      return answerEmpty(exchange, 204, { dav: '1', allow: 'GET, HEAD, PUT, DELETE, PROPFIND, MKCOL' })
    case 'MKCOL':
      return answerEmpty(exchange, 201)
    case 'PROPFIND':
      return properties(cache, exchange, key)
    case 'PUT':
      return putObject(cache, exchange, tool, key, { status: 201 })
    default:
      return plain(cache, exchange, tool, key)
  }
}

async function properties({ objects }: HttpCache, exchange: Exchange, key: string): Promise<void> {
  const isFolder = key === '' || key.endsWith('/')
  const object = isFolder ? undefined : await objects.find(tool, key)
  if (!isFolder && !object) return answerEmpty(exchange, 404)
  await answerBytes(exchange, Buffer.from(multistatus(exchange.path, object)), xml, 207)
}

/** @param object undefined for a folder */
function multistatus(path: string, object: StoredObject | undefined): string {
  const modified = new Date(object?.storedMs ?? 0).toUTCString()
  const kind = object
    ? `<D:resourcetype/><D:getcontentlength>${object.size}</D:getcontentlength>`
    : '<D:resourcetype><D:collection/></D:resourcetype>'
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<D:multistatus xmlns:D="DAV:"><D:response>',
    `<D:href>${escaped(path)}</D:href>`,
    `<D:propstat><D:prop>${kind}<D:getlastmodified>${modified}</D:getlastmodified></D:prop>`,
    '<D:status>HTTP/1.1 200 OK</D:status></D:propstat>',
    '</D:response></D:multistatus>',
  ].join('')
}

function escaped(text: string): string {
  return text.replace(/[<>&"']/g, (each) => `&#${each.charCodeAt(0)};`)
}
