#!/usr/bin/env node
// A stand-in for Prisma's native schema engine, for PostgreSQL and for what `prisma migrate deploy`,
// `status` and `resolve` ask of it. The real engine cannot be installed from npm alone; the real CLI
// can, and it runs over this program when PRISMA_SCHEMA_ENGINE_BINARY names it.
//
//   main.cjs cli --datasource URL can-connect-to-database   exit code; errors as JSON lines on stderr
//   main.cjs --datamodels SCHEMA                            JSON-RPC, one message per line, on stdio
'use strict'

const { Database } = require('./database.cjs')
const { KnownError, toLogLine, toRpcError } = require('./errors.cjs')
const { datasourceUrl } = require('./datasource.cjs')
const { commands } = require('./commands.cjs')
const { RpcServer } = require('./rpc.cjs')

const VERSION = 'schema-engine-cli 0000000000000000000000000000000000000000 (stand-in)'

/** `cli can-connect-to-database` and `cli create-database`: one job, then the exit code. */
async function runCli(argv) {
  process.stderr.write(`${toLogLine('INFO', { message: 'Starting schema engine CLI' })}\n`)
  const url = datasourceUrl(argv)
  try {
    if (argv.includes('create-database')) await Database.create(url)
    else if (argv.includes('can-connect-to-database')) await (await Database.connect(url)).close()
    else throw new Error(`Not known here: ${argv.filter((word) => !word.includes('://')).join(' ')}`)
    return 0
  } catch (error) {
    const code = error instanceof KnownError ? error.code : ''
    const fields = { is_panic: false, error_code: code, message: error.message }
    process.stderr.write(`${toLogLine('ERROR', fields)}\n`)
    return 1
  }
}

/** The JSON-RPC service: one connection for the life of the process, as the real engine keeps it. */
function serve(argv) {
  let connection
  const database = () => (connection ??= Database.connect(datasourceUrl(argv)))
  const server = new RpcServer({
    call: async (method, params) => {
      if (!commands[method]) throw new Error(`The method ${method} is not implemented.`)
      return commands[method](await database(), params, (text) => server.print(text))
    },
    toRpcError,
    end: async (exitCode) => {
      // Without a clean end the server would log a lost connection where Prisma leaves none.
      if (connection) await connection.then((db) => db.close()).catch(() => {})
      process.exit(exitCode)
    },
  })
  server.start()
}

const argv = process.argv.slice(2)
if (argv.includes('--version')) console.log(VERSION)
else if (argv.includes('cli')) runCli(argv).then((code) => process.exit(code))
else serve(argv)
