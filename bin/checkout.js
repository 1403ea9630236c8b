// What `npm start`, `npm test`, `npm run bench` and `npm pack` run: the script given as the first argument. Like run.js,
// this file must parse on every recent Node, so that one that cannot even set up the checkout says so.
/**
 * Everything else runs on the Node that the set-up installs. Only npm has to run on this one, and on a Node that our
 * tools do not support it leaves out their native parts.
 */
const neededToSetUp = [20, 19]

const { execPath, versions } = process
const [major, minor] = versions.node.split('.').map(Number)
if (major > neededToSetUp[0] || (major === neededToSetUp[0] && minor >= neededToSetUp[1]))
  void import(`./${process.argv[2]}.js`)
else {
  process.stderr.write(`native: needs Node 22.19 or later; this is ${versions.node} (${execPath})\n`)
  process.exitCode = 1
}
