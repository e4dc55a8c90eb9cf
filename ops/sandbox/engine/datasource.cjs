// Where the database is: from the command line (always for `cli`, and for Prisma 7), else from the
// datasource block of the schema files (Prisma 6).
'use strict'

const fs = require('node:fs')

/** The values of a repeatable option. */
const values = (argv, option) => argv.filter((_, index) => argv[index - 1] === option)

/** Reads `key = env("NAME")` or `key = "value"`; undefined where there is none. */
function property(text, key) {
  const match = text.match(new RegExp(`^\\s*${key}\\s*=\\s*(?:env\\("([^"]+)"\\)|"([^"]+)")`, 'm'))
  if (!match) return undefined
  return match[1] ? process.env[match[1]] : match[2]
}

/** The URL that migrations use: `directUrl` before `url`. */
function datasourceUrl(argv) {
  const [given] = values(argv, '--datasource')
  if (given) return given.startsWith('{') ? JSON.parse(given).url : given
  const files = [...values(argv, '--datamodels'), ...values(argv, '-d')]
  const text = files.map((file) => fs.readFileSync(file, 'utf8')).join('\n')
  const url = property(text, 'directUrl') ?? property(text, 'url')
  if (!url) throw new Error('The datasource has no URL, or its environment variable is not set.')
  return url
}

/** A Prisma URL taken apart. Parameters that this engine has no use for are ignored, as Prisma does. */
function parseUrl(text) {
  const url = new URL(text)
  const parameter = (name) => url.searchParams.get(name) ?? undefined
  return {
    host: parameter('host') ?? (url.hostname || 'localhost'),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || 'postgres',
    schema: parameter('schema') ?? 'public',
    applicationName: parameter('application_name'),
    options: parameter('options'),
    connectTimeout: Number(parameter('connect_timeout') ?? 5),
    tls: parameter('sslmode') === 'require',
  }
}

module.exports = { datasourceUrl, parseUrl }
