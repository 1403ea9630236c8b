/**
 * What a slot's shell runs for as long as it lives.
 *
 * Arguments: $1 its command file, $2 the mark for the processes it starts (empty: none). File descriptors: 0 a line for
 * each process to start; 1 answers; 2 the shell's own errors; 3 and 4 a process's standard output and error; 5 a pipe
 * that ends when the worker does; 6 /dev/null; 7 to 9 as a sandbox needs them.
 *
 * Answers, one per line: `ready` and the shell's kind; then for each process `left CODE` if some of its descendants
 * have to be killed first, and finally `CODE` (`CODE spoiled` when the slot must not be used again), or `before CODE`
 * when a command before it failed. When a command after it fails, the shell ends, and its namespace with it. The same
 * happens when killed processes do not go away: the kernel then waits for them.
 */
function script(own: string, look = ''): string {
  return `
commands=$1
exec 6<>/dev/null
${own}
answer() {
  [ -z "$failed" ] || exit 76
  remark=
${look}
  echo "$code$remark"
}
echo "ready \${BASH_VERSION:+other}\${KSH_VERSION:+other}\${ZSH_VERSION:+other}"
while read -r line; do . "$commands"; done
`
}

/**
 * The shell is process 1 of its namespace, so `kill -1` reaches everything of the action, whatever session or group it
 * made, and nothing else; and orphans become the shell's children, which it reaps.
 */
const namespaceOwn = `
[ "$$" = 1 ] || exit 70
begin() { :; }
end_all() {
  kill -9 -1 2>&6 || return
  echo "left $code"
  rounds=0
  while kill -0 -1 2>&6; do
    (:)
    rounds=$((rounds + 1))
    [ "$rounds" -lt 2000 ] || exit 75
  done
}`

export const namespaceScript = script(namespaceOwn)

/**
 * The same, in a root of its own that `setUp` makes. System V IPC objects outlive processes, and show in /proc/sysvipc
 * below a heading line. Shells read byte by byte, hence descriptors 5 (in place of the pipe, as the slot ends with the
 * worker anyway) and 9, which stay positioned behind the headings: as long as there is nothing, a check is one call.
 * @param setUp leaves the command file at descriptor 7
 */
export function sandboxScript(setUp: string): string {
  const open = `
if [ -e /proc/sysvipc/shm ]; then
  exec 5</proc/sysvipc/shm 9</proc/sysvipc/msg
  read -r line <&5 && read -r line <&9 || exit 77
else
  exec 5<&6 9<&6
fi`
  const look = `
  {
    { read -r line && read -r line && remark=' spoiled'; } </proc/sysvipc/sem
    read -r line <&5 && remark=' spoiled'
    read -r line <&9 && remark=' spoiled'
  } 2>&6`
  return script(`${namespaceOwn}\n${setUp}\ncommands=/proc/self/fd/7\nexec 6<>/dev/null${open}`, look)
}

/**
 * The shell leads a group in which processes start. A mark, if given, is how many file locks they may have, a limit
 * that kernels no longer enforce: every descendant inherits it, and /proc shows it. The worker ends the processes; if
 * the worker dies, the watcher does.
 */
export const groupScript = script(`
limit() { ulimit "$@" 2>/dev/null; }
begin() { [ -z "$mark" ] || limit -S -w "$mark" || limit -S -x "$mark"; }
mark=$2
end_all() { :; }
if [ -n "$2" ]; then
  limit -w "$2" || limit -x "$2" || exit 71
  limit -S -w 0 || limit -S -x 0
fi
sweep() {
  for at in /proc/[0-9]*; do
    while read -r max file locks soft rest; do
      [ "$max $file $locks $soft" != "Max file locks $1" ] || kill -9 "\${at#/proc/}"
    done <"$at/limits"
  done 2>&6
}
# An action's \`kill 0\` reaches its slot, too.
trap : HUP INT QUIT TERM USR1 USR2 ALRM
(
  trap '' HUP INT QUIT TERM USR1 USR2 ALRM
  exec 0<&6 1>&6 3>&- 4>&-
  read -r line <&5
  [ -z "$2" ] || for round in 1 2 3; do sweep "$2"; done
  kill -9 0
) &`)
