import { Flags } from '@oclif/core'

/** What each `native serve ROLE` takes. */
export const serveFlags = {
  config: Flags.file({ summary: 'the YAML configuration of this server', required: true }),
  'parent-fd': Flags.integer({
    summary: 'the end of a pipe that the starting process holds; the server stops when it closes',
    hidden: true,
  }),
}
