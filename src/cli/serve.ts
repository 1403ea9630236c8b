import { Flags } from '@oclif/core'

/** The flags of each `native serve ROLE`. */
export const serveFlags = {
  config: Flags.file({ summary: 'YAML file with the configuration of this server', required: true }),
  'parent-fd': Flags.integer({
    summary: 'file descriptor of a pipe held by the parent process; the server stops when it closes',
    hidden: true,
  }),
}
