import type { LoginJob } from './job.ts'

/**
 * A user agent, which launchd loads at each log-in (launchd.plist(5)). The supervisor that it leaves behind is meant to
 * outlive it.
 */
export function launchdText(label: string, { argv, env }: LoginJob): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by native up, with at-login, and removed by native down. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escaped(label)}</string>
  <key>ProgramArguments</key>
  <array>
${argv.map((word) => `    <string>${escaped(word)}</string>\n`).join('')}  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries(env)
  .map(([name, value]) => `    <key>${name}</key>\n    <string>${escaped(value)}</string>\n`)
  .join('')}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>AbandonProcessGroup</key>
  <true/>
</dict>
</plist>
`
}

/** XML cannot represent the other control characters at all. */
function escaped(text: string): string {
  return text.replace(/[&<>\p{Cc}]/gu, (each) => `&#${each.codePointAt(0)};`)
}
