import { Flags } from '@oclif/core'

/** The flag of commands that read archives. */
export const expandFlag = {
  'expand-max': Flags.string({
    summary:
      'maximum size to which an archive or a layer may expand, such as 100GiB; by default, beyond 1 GiB, 100 times its size for an archive and 1000 times for a layer',
  }),
}
