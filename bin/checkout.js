// What `npm start`, `npm test` and `npm run bench` run: the script that is named first. Like run.js it can be read by
// every Node of the last years, so that one that cannot even set the checkout up says so.
/**
 * All else runs on the Node that the set-up installs; it is npm that has to run on this one, and that leaves out the
 * compiled parts of our tools on a Node which these do not know.
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
