import { type ClientFacts, type FileTool, httpUrl } from './tool.ts'

export const ccache: FileTool = {
  name: 'ccache',
  place: '~/.config/ccache/ccache.conf',
  witness: '`ccache --show-stats -v` counts hits under "Remote storage"',
  notes: ['ccache 4.7 or later; 4.4 to 4.6 call the setting secondary_storage.'],
  tls: 'none',
  sendsToken: true,
  format: 'file',
  comment: '#',
  settings: (facts) => [
    {
      why: "where to look for results that this machine's own cache lacks, and to store them for others",
      lines: [`remote_storage = ${withUser(facts)}/ccache`],
    },
  ],
}

/** ccache sends the user part of the URL as Basic: any name, with the token as its password. */
function withUser(facts: ClientFacts): string {
  const { credentials } = facts
  return credentials
    ? httpUrl(facts).replace('://', `://native:${encodeURIComponent(credentials.token)}@`)
    : httpUrl(facts)
}
