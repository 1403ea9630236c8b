/** What an action may try to get out of its sandbox: a script that prints ESCAPED when it has. */
export interface Attempt {
  readonly title: string
  readonly script: string
  /** How processes are kept together where the attempt is seen to work; by default by namespaces. */
  readonly without?: 'marks'
  /** Without a sandbox it works for root alone. */
  readonly rootOnly?: true
}

/** What is there for an action to find. */
export interface Targets {
  /** A file in the folder that stands for a home. */
  readonly secret: string
  /** Files of another action, and of the worker's state. */
  readonly other: string
  readonly state: string
  /** A file in the machine's /dev/shm. */
  readonly shared: string
  readonly worker: number
  readonly port: number
  /** Names of a Unix socket in the abstract name space, and of one with a path. */
  readonly abstract: string
  readonly socket: string
  /** A terminal of the user. */
  readonly terminal: string
}

const escaped = '&& echo ESCAPED'

/** @returns each way out of a sandbox that we know of */
export function attempts(at: Targets): Attempt[] {
  return [
    { title: 'reads the home folder', script: `cat '${at.secret}' ${escaped}` },
    { title: "reads another action's folder", script: `cat '${at.other}' ${escaped}` },
    { title: "reads the worker's state", script: `cat '${at.state}' ${escaped}` },
    { title: 'follows a symlink out', script: `ln -s '${at.secret}' link; cat link ${escaped}` },
    { title: 'makes a hard link to a file outside', script: `ln '${at.secret}' link && cat link ${escaped}` },
    { title: 'goes up from its folder', script: `cat ../../../../../../../../..'${at.secret}' ${escaped}` },
    { title: 'goes by the root of process 1', script: `cat /proc/1/root'${at.secret}' ${escaped}` },
    { title: 'goes by the working directory of process 1', script: `cat /proc/1/cwd'${at.secret}' ${escaped}` },
    {
      title: 'goes by what process 1 has open',
      script: `cat /proc/1/fd/8/mounts ${escaped}; : </proc/1/fd/3 ${escaped}`,
    },
    { title: "reads the environment of the slot's shell", script: `cat /proc/1/environ ${escaped}` },
    {
      title: 'writes to the program that it runs by /proc/self/exe',
      script: `[ -w "$(readlink -f /proc/self/exe)" ] ${escaped}`,
      rootOnly: true,
    },
    { title: 'writes into /usr', script: `[ -w /usr/bin ] ${escaped}`, rootOnly: true },
    {
      title: 'sets the kernel',
      script: `[ -w /proc/sys/kernel/core_pattern ] && : >>/proc/sys/kernel/core_pattern ${escaped}`,
      rootOnly: true,
    },
    { title: 'makes a device', script: `mknod disk b 254 0 ${escaped}`, rootOnly: true },
    {
      title: 'becomes another by a set-user-ID program',
      script: `cp /usr/bin/id own; chown 1 own; chmod 4755 own; [ "$(./own -u)" = 1 ] ${escaped}`,
      rootOnly: true,
    },
    { title: "finds the machine's shared memory", script: `cat '${at.shared}' ${escaped}` },
    { title: "opens the user's terminal", script: `: >>'${at.terminal}' ${escaped}` },
    {
      title: "types into the user's terminal (TIOCSTI)",
      script: `perl -e 'open my $tty, "+<", "${at.terminal}" or die; ioctl $tty, 0x5412, my $x = "x" or die' ${escaped}`,
      rootOnly: true,
    },
    {
      title: 'starts as many processes as it likes',
      script: 'i=0; while [ $i -lt 200 ]; do sleep 9 & i=$((i+1)); done; echo ESCAPED',
    },
    { title: 'signals the worker', script: `kill -0 ${at.worker} ${escaped}`, without: 'marks' },
    {
      title: "connects to the cache's port",
      script: connects('inet', `pack_sockaddr_in(${at.port}, inet_aton("127.0.0.1"))`),
    },
    {
      title: 'connects to the metadata service of a cloud',
      script: connects('inet', `pack_sockaddr_in(${at.port}, inet_aton("169.254.169.254"))`),
    },
    { title: 'connects to an abstract socket', script: connects('unix', `pack_sockaddr_un("\\0${at.abstract}")`) },
    { title: 'connects to a socket with a path', script: connects('unix', `pack_sockaddr_un("${at.socket}")`) },
  ]
}

function connects(family: 'inet' | 'unix', address: string): string {
  const kind = family === 'inet' ? 'PF_INET' : 'PF_UNIX'
  return `perl -MSocket -e 'socket my $s, ${kind}, SOCK_STREAM, 0 or die; connect $s, ${address} or die "$!"' ${escaped}`
}
