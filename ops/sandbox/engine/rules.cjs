// How the engine behaves depends on the version of Prisma that it belongs to: the CLI that starts it,
// found from the working directory, or the one that PRISMA_OPS_ENGINE_VERSION names.
'use strict'

const fs = require('node:fs')
const path = require('node:path')

function cliVersion() {
  if (process.env.PRISMA_OPS_ENGINE_VERSION) return process.env.PRISMA_OPS_ENGINE_VERSION
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'node_modules', 'prisma', 'package.json')
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).version
    if (folder === path.dirname(folder)) {
      throw new Error('No node_modules/prisma above the working directory: which version is this engine for?')
    }
  }
}

/** Whether version `text` is at least `major.minor`. */
function isFrom(text, major, minor) {
  const [first, second] = text.split('.').map(Number)
  return first > major || (first === major && second >= minor)
}

/**
 * perStatement: a script is sent statement by statement, and each commits on its own (7.4).
 * statusSkipsRolledBack: `status` shows a rolled-back migration as pending (7.9).
 */
function rules() {
  const version = cliVersion()
  return { perStatement: isFrom(version, 7, 4), statusSkipsRolledBack: isFrom(version, 7, 9) }
}

module.exports = { rules }
