// Errors with Prisma's codes and texts, and the three shapes in which they leave the engine.
'use strict'

const LEARN_RESOLVE =
  'Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve'
const LOCK_QUERY = 'SELECT pg_advisory_lock(72707369)'
const LOCK_TIMEOUT_MS = 10000

/** An error that Prisma documents under a code. */
class KnownError extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

const known = {
  P1000: (user) =>
    `Authentication failed against database server, the provided database credentials for \`${user}\` are not valid.\n\n` +
    'Please make sure to provide valid database credentials for the database server at the configured address.',
  P1001: (address) =>
    `Can't reach database server at \`${address}\`\n\n` +
    `Please make sure your database server is running at \`${address}\`.`,
  P1002: () =>
    'The database server was reached but timed out.\n\nPlease try again.\n\n' +
    'Please make sure your database server is running at the configured address.\n\n' +
    `Context: Timed out trying to acquire a postgres advisory lock (${LOCK_QUERY}). ` +
    `Timeout: ${LOCK_TIMEOUT_MS}ms. See https://pris.ly/d/migrate-advisory-locking for details.`,
  P1003: (database) => `Database \`${database}\` does not exist`,
  P1009: (database) => `Database \`${database}\` already exists`,
  P1010: (database) => `User was denied access on the database \`${database}\``,
  P1017: () => 'Server has closed the connection.',
  P3005: () =>
    'The database schema is not empty. Read more about how to baseline an existing production database: ' +
    'https://pris.ly/d/migrate-baseline',
  P3008: (name) => `The migration \`${name}\` is already recorded as applied in the database.`,
  P3009: (rows) =>
    'migrate found failed migrations in the target database, new migrations will not be applied. ' +
    `${LEARN_RESOLVE}\n` +
    rows
      .map((row) => `The \`${row.migration_name}\` migration started at ${utc(row.started_at)} failed\n`)
      .join(''),
  P3011: (name) =>
    `Migration \`${name}\` cannot be rolled back because it was never applied to the database. ` +
    'Hint: did you pass in the whole migration name? (example: "20201207184859_initial_migration")',
  P3012: (name) => `Migration \`${name}\` cannot be rolled back because it is not in a failed state.`,
  P3015: (path) =>
    `Could not find the migration file at ${path}. Please delete the directory or restore the migration file.`,
  P3017: (name) =>
    `The migration ${name} could not be found. Please make sure that the migration exists, and that you ` +
    'included the whole name of the directory. (example: "20201207184859_initial_migration")',
  P3018: (name, script, error) =>
    `A migration failed to apply. New migrations cannot be applied before the error is recovered from. ` +
    `${LEARN_RESOLVE}\n\nMigration name: ${name}\n\nDatabase error code: ${error.code ?? 'none'}\n\n` +
    `Database error:\n${describe(error, script)}\n`,
  P3019: (schemaProvider, lockProvider) =>
    `The datasource provider \`${schemaProvider}\` specified in your schema does not match the one specified ` +
    `in the migration_lock.toml, \`${lockProvider}\`. Please remove your current migration directory and start ` +
    'a new migration history with prisma migrate dev. Read more: https://pris.ly/d/migrate-provider-switch',
}

/** Builds the known error with this code; the arguments are those of its text. */
const fail = (code, ...args) => new KnownError(code, known[code](...args))

const utc = (date) => date.toISOString().replace('T', ' ').replace('Z', ' UTC')

/** PostgreSQL's error as the real engine shows it: the message, then the Debug form of its DbError. */
function describe(error, script) {
  if (!error.severity) return error.message
  const detail = error.detail ? `\nDETAIL: ${error.detail}` : ''
  const hint = error.hint ? `\nHINT: ${error.hint}` : ''
  const head = `${error.severity}: ${error.message}${detail}${hint}`
  return `${head}${sourceLines(script, error.position)}\n\n${debugForm(error)}`
}

/** The line of the script where the error is, after the five before it, in the colours of a terminal. */
function sourceLines(script, position) {
  if (!position) return ''
  const lines = script.split('\n')
  let end = 0
  const at = lines.findIndex((line) => (end += line.length + 1) >= Number(position))
  if (at < 0) return ''
  const number = (index) => String(index).padStart(3)
  const before = []
  for (let index = Math.max(at - 5, -1); index < at; index += 1) {
    const line = index < 0 ? '' : lines[index]
    before.push(`\x1b[1m${number(index + 1)}\x1b[0m${line && ' '}${line}`)
  }
  return `\n\nPosition:\n${before.join('\n')}\n\x1b[1m${number(at + 1)}\x1b[1;31m ${lines[at]}\x1b[0m`
}

function debugForm(error) {
  const some = (value) => (value == null ? 'None' : `Some(${JSON.stringify(String(value))})`)
  const bare = (value, wrap = (text) => text) => (value == null ? 'None' : `Some(${wrap(value)})`)
  const parsed = error.severity[0] + error.severity.slice(1).toLowerCase()
  const fields = {
    severity: JSON.stringify(error.severity),
    parsed_severity: `Some(${parsed})`,
    code: `SqlState(E${error.code})`,
    message: JSON.stringify(error.message),
    detail: some(error.detail),
    hint: some(error.hint),
    position: bare(error.position, (value) => `Original(${value})`),
    where_: some(error.where),
    schema: some(error.schema),
    table: some(error.table),
    column: some(error.column),
    datatype: some(error.dataType),
    constraint: some(error.constraint),
    file: some(error.file),
    line: bare(error.line),
    routine: some(error.routine),
  }
  const body = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return `DbError { ${body.join(', ')} }`
}

/** One line of the engine's log on stderr. */
const toLogLine = (level, fields) =>
  JSON.stringify({ timestamp: new Date(), level, fields, target: 'schema_engine::logger' })

/** What a failed request answers. Errors without a code carry a trace, as Rust's do. */
function toRpcError(error) {
  const data =
    error instanceof KnownError
      ? { is_panic: false, message: error.message, meta: {}, error_code: error.code }
      : { is_panic: false, message: withTrace(error) }
  return { code: 4466, message: 'An error happened. Check the data field for details.', data }
}

function withTrace(error) {
  const severity = error.severity ? `${error.severity}: ` : ''
  return `${severity}${error.message}\n   0: schema_core::state::${error.command ?? 'Command'}\n`
}

module.exports = { KnownError, LOCK_QUERY, LOCK_TIMEOUT_MS, fail, toLogLine, toRpcError }
