import { z } from 'zod'
import { parseGrpcUrl, parseHostPort, parseListen } from '../core/address.ts'
import { messageOf } from '../core/failure.ts'
import { parseHostPattern } from '../core/host-pattern.ts'
import { parseShare, parseSize, parseSpan, sizeText } from '../core/units.ts'

/** A number of bytes, or a text such as 20GB. */
export const size = z.union([z.number().int().nonnegative(), z.string()]).transform(parsed(parseSize))
/** A store on disk divides its size into segments; below this not even one blob of a usual size fits. */
export const storeBytesMin = 64 * 1024 * 1024
export const tooSmallText = `must be at least ${sizeText(storeBytesMin)}`
/** The size of a deployed cluster's cache: a server that is started by hand may be given any. */
export const storeSize = size.refine((bytes) => bytes >= storeBytesMin, tooSmallText)
/** A duration such as 90s or 15m, parsed into milliseconds. */
export const span = z.string().transform(parsed(parseSpan))
/** A text such as 2%, parsed into a number from 0 to 1. */
export const share = z.string().transform(parsed(parseShare))
export const address = z.string().transform(checked(parseHostPort))
export const hostPattern = z.string().transform(parsed(parseHostPattern))
export const listenPlace = z.string().transform(checked(parseListen))
export const endpoint = z.string().transform(checked(parseGrpcUrl))

/** A text that must parse, but is kept as written. */
function checked(parse: (text: string) => unknown) {
  return parsed((text) => {
    parse(text)
    return text
  })
}

function parsed<T>(parse: (text: string) => T) {
  return (value: string | T, context: z.RefinementCtx): T => {
    if (typeof value !== 'string') return value
    try {
      return parse(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
      return z.NEVER
    }
  }
}
