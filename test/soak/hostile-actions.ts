/**
 * Scripts of actions that do what they should not, each to be run by /bin/sh. What outlives its
 * action sleeps for `leftoverSeconds`, which nothing else on a machine does.
 */
export const leftoverSeconds = 98_765

export const hostileActions: Readonly<Record<string, string>> = {
  leavesDaemon: `setsid sh -c 'setsid sleep ${leftoverSeconds} & sleep ${leftoverSeconds}' >/dev/null 2>&1 </dev/null & exit 0`,
  ignoresTerm: `trap '' TERM; while :; do sleep ${leftoverSeconds}; done`,
  truncatesItsStreams: 'echo a >&2; echo b > /dev/stderr; echo c | tee /dev/stderr; : > /dev/stdout',
  blocksItsStreams: 'rm -f "$PWD".out "$PWD".err "$PWD"/../*.out; mkfifo "$PWD".out "$PWD".err; exit 0',
  changesItsInputs: 'chmod u+w words; printf EVIL > words; mv words other; echo spoiled > words; cat words',
  makesManyFiles: 'mkdir t; cd t; for d in $(seq 200); do mkdir $d; for f in $(seq 50); do : > $d/$f; done; done',
  makesDeepTree: 'for d in $(seq 500); do mkdir d; cd d; done',
  locksItsFolder: 'mkdir -p a/b; : > a/b/c; chmod 0 a/b a',
  printsMuch: 'head -c 30000000 /dev/zero; head -c 3000000 /dev/zero >&2',
  forksMuch: `for i in $(seq 150); do sleep ${leftoverSeconds} & done; exit 0`,
  leavesOddOutputs: 'mkfifo out; ln -s /etc/passwd link; mkdir -p d; mkfifo d/p; exit 0',
  killsItself: 'kill -9 $$',
  fillsDisk: 'head -c 200000000 /dev/zero > big; exit 0',
}
