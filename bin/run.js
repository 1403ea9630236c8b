#!/usr/bin/env node
// The program `native`. Every Node of the last years has to be able to read this file, so that one which is too old
// says so: no import statement, no await, and no syntax from after 2017. The program itself is main.js.
/** The Node that the program needs; "engines" in package.json says the same. */
const needed = [22, 19]
/** The oldest Node that can look for a newer one. */
const neededToLook = [18, 0]

// What goes wrong in there ends the process with a stack: that is our mistake, and no user's.
if (isAtLeast(needed)) void import('./main.js').then(({ start }) => start(process.argv.slice(2)))
else if (isAtLeast(neededToLook)) void import('./own-node.js').then(({ again }) => again(tooOld))
else tooOld()

function tooOld() {
  const { execPath, versions } = process
  process.stderr.write(`native: needs Node ${needed.join('.')} or later; this is ${versions.node} (${execPath})\n`)
  process.exitCode = 1
}

/** Is this Node of that version, or a later one? */
function isAtLeast([major, minor]) {
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
