import type { Endpoint } from '../../cluster/addresses.ts'
import type { EnvironmentTool } from './tool.ts'

export const go: EnvironmentTool = {
  name: 'go',
  place: 'your shell',
  witness: 'with NATIVE_CACHEPROG_STATS=1, `go build` ends with a line that counts hits and misses',
  notes: ['Go 1.24 or later. `go env -w GOCACHEPROG="$GOCACHEPROG"` keeps it, `go env -u GOCACHEPROG` undoes that.'],
  tls: 'certificate',
  sendsToken: true,
  format: 'environment',
  variables: ({ program, addresses }) => [
    {
      name: 'GOCACHEPROG',
      value: [...program, 'cacheprog', ...addressWords(addresses.cache)].map(quoted).join(' '),
      why: 'the program that the go command uses as its cache',
    },
  ],
}

/** Arguments that tell our own program about a server. */
function addressWords({ address, url, tls = {} }: Endpoint): string[] {
  const files = { '--tls-ca': tls.ca, '--tls-cert': tls.cert, '--tls-key': tls.key }
  const named = Object.entries(files).flatMap(([flag, file]) => (file === undefined ? [] : [flag, file]))
  return ['--address', url.startsWith('grpcs://') ? url : address, ...named]
}

/** A word quoted for the go command's parser: either quote works, but one word cannot contain both. */
function quoted(word: string): string {
  if (!/[\s'"]/.test(word)) return word
  return word.includes("'") ? `"${word}"` : `'${word}'`
}
