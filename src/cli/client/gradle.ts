import { type FileTool, httpUrl, isSecure } from './tool.ts'

const plain = [
  '    // Gradle 6 and later want to be told that http is meant',
  "    if (delegate.hasProperty('allowInsecureProtocol')) allowInsecureProtocol = true",
]

export const gradle: FileTool = {
  name: 'gradle',
  place: '~/.gradle/init.d/native.gradle',
  witness: 'a build says "FROM-CACHE" of tasks after `gradle clean` and `rm -rf ~/.gradle/caches/build-cache-1`',
  notes: ['An init script: Gradle reads every file that ends with .gradle there, before any build.'],
  tls: 'system',
  sendsToken: true,
  format: 'file',
  comment: '//',
  foreign: { '.kts': 'Kotlin', '.properties': 'properties' },
  settings: (facts) => [
    {
      why: 'turns the build cache on for every build, as --build-cache does',
      lines: ['gradle.startParameter.buildCacheEnabled = true'],
    },
    {
      why: "where to look for task results that this machine's own cache lacks, and to store them for others",
      lines: [
        'gradle.settingsEvaluated { settings ->',
        '  settings.buildCache.remote(HttpBuildCache) {',
        `    url = '${httpUrl(facts)}/gradle/'`,
        '    push = true',
        ...(facts.credentials
          ? ['    credentials {', "      username = 'native'", `      password = '${facts.credentials.token}'`, '    }']
          : []),
        ...(isSecure(facts.addresses) ? [] : plain),
        '  }',
        '}',
      ],
    },
  ],
}
