import { imageProperty, type PlatformProperty } from '../../core/platform.ts'
import type { ImageSource } from './image-source.ts'

/** How a worker runs actions in images. */
export interface ImageSettings {
  readonly source: ImageSource
  /** How much disk unused images may take. */
  readonly sizeBytesMax: number
  /** The default image, of actions that name none. */
  readonly usual: string | undefined
  /** The properties that the worker offers to actions that name an image. */
  readonly offers: readonly PlatformProperty[]
}

/** The properties offered by a worker that can run actions in images. */
export function imageOffersOf({ offers, usual }: ImageSettings): PlatformProperty[] {
  return [...offers, ...(usual === undefined ? [] : [{ name: imageProperty, value: usual }])]
}
