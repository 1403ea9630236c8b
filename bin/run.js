#!/usr/bin/env node
// The program `native`. Every recent Node has to be able to parse this file, so that one that is too old says so: no
// import statement, no await, and no syntax newer than 2017. The program itself is main.js.
/** The required Node version; "engines" in package.json says the same. */
const needed = [22, 19]
/** The oldest Node that can look for a newer one. */
const neededToLook = [18, 0]

// An error in there ends the process with a stack trace: it is our bug, not the user's mistake.
if (isAtLeast(needed)) void import('./main.js').then(({ start }) => start(process.argv.slice(2)))
else if (isAtLeast(neededToLook)) void import('./own-node.js').then(({ again }) => again(tooOld))
else tooOld()

function tooOld() {
  const { execPath, versions } = process
  process.stderr.write(`native: needs Node ${needed.join('.')} or later; this is ${versions.node} (${execPath})\n`)
  process.exitCode = 1
}

/** Is this Node at least that version? */
function isAtLeast([major, minor]) {
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
