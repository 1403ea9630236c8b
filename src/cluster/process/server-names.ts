/** What people call the server or the port of this name. */
export function serverNoun(name: string): string {
  const [, server = name, metrics] = /^(.*?)(-metrics)?$/.exec(name) ?? []
  const noun =
    server === 'cas' ? 'the cache' : server === 'scheduler' || server === 'console' ? `the ${server}` : server
  return metrics ? `${noun}'s metrics` : noun
}
