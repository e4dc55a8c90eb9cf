// What the CLI asks for over JSON-RPC. Each command takes the database, the parameters and `print`.
'use strict'

const { KnownError, fail } = require('./errors.cjs')
const { Ledger, isFailed, sameScript } = require('./ledger.cjs')
const { rules } = require('./rules.cjs')
const { splitStatements } = require('./splitter.cjs')

const PROVIDER = 'postgresql'

/** Compares the provider textually, line by line: the lock file is never parsed as TOML. */
function checkProvider({ lockfile }) {
  if (lockfile?.content == null) return
  const line = lockfile.content.split(/\r?\n/).find((text) => text.startsWith('provider'))
  const given = line?.replace(/^(provider = )+/, '').replace(/^"+|"+$/g, '') ?? '<PROVIDER NOT FOUND>'
  if (given !== PROVIDER) throw fail('P3019', PROVIDER, given)
}

function scriptOf(migration) {
  const { content, path } = migration.migrationFile
  if (content.tag !== 'ok') throw fail('P3015', path)
  return content.value
}

async function refuseForeignTables(database) {
  const found = await database.query(
    `SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname = $1 AND c.relname <> 'spatial_ref_sys' LIMIT 1`,
    [database.schema],
  )
  if (found.rowCount > 0) throw fail('P3005')
}

/** Runs one script, and records what came of it. */
async function apply(database, ledger, name, script, print) {
  const id = await ledger.started(name, script)
  await print(`Applying migration \`${name}\``)
  let batch = script
  try {
    for (batch of rules().perStatement ? splitStatements(script) : [script]) await database.query(batch)
  } catch (error) {
    if (error instanceof KnownError) throw error // the connection is gone: nothing can be recorded
    const failure = fail('P3018', name, batch, error)
    // In a transaction that the script opened this fails too, and that error hides the first one.
    await ledger.failed(id, `${failure.message}\n${trace(name)}`)
    throw failure
  }
  await ledger.finished(id)
}

const trace = (name) =>
  '   0: sql_schema_connector::apply_migration::apply_script\n' +
  `           with migration_name="${name}"\n` +
  '             at schema-engine/connectors/sql-schema-connector/src/apply_migration.rs:113\n' +
  '   1: schema_commands::commands::apply_migrations::Applying migration\n' +
  `           with migration_name="${name}"\n` +
  '             at schema-engine/commands/src/commands/apply_migrations.rs:95\n' +
  '   2: schema_core::state::ApplyMigrations\n' +
  '             at schema-engine/core/src/state.rs'

async function applyMigrations(database, { migrationsList: list }, print) {
  checkProvider(list)
  await database.lock()
  const ledger = new Ledger(database)
  if ((await ledger.rows()) === null) {
    await refuseForeignTables(database)
    await ledger.create()
  }
  const rows = await ledger.rows()
  const failed = rows.filter(isFailed)
  if (failed.length > 0) throw fail('P3009', failed)
  const covered = new Set(rows.filter((row) => !row.rolled_back_at).map((row) => row.migration_name))
  const appliedMigrationNames = []
  for (const migration of list.migrationDirectories.filter(({ path }) => !covered.has(path))) {
    await apply(database, ledger, migration.path, scriptOf(migration), print)
    appliedMigrationNames.push(migration.path)
  }
  return { appliedMigrationNames }
}

async function diagnoseMigrationHistory(database, { migrationsList: list }) {
  checkProvider(list)
  const rows = await new Ledger(database).rows()
  const all = rows ?? []
  // Before 7.9 a rolled-back row counts as applied here, and `status` calls the schema up to date.
  const live = rules().statusSkipsRolledBack ? all.filter((row) => !row.rolled_back_at) : all
  const directories = list.migrationDirectories
  const rowOf = (path) => live.find((row) => row.migration_name === path)
  const unapplied = directories.map(({ path }) => path).filter((path) => !rowOf(path))
  const lost = all.map((row) => row.migration_name)
    .filter((name) => !directories.some(({ path }) => path === name))
  const edited = directories.filter((migration) => {
    const row = rowOf(migration.path)
    return row && !sameScript(scriptOf(migration), row.checksum)
  })
  return {
    history: compareHistories(directories.map(({ path }) => path), unapplied, lost),
    failedMigrationNames: all.filter(isFailed).map((row) => row.migration_name),
    editedMigrationNames: edited.map(({ path }) => path),
    hasMigrationsTable: rows !== null,
  }
}

function compareHistories(paths, unapplied, lost) {
  if (unapplied.length === 0 && lost.length === 0) return null
  if (lost.length === 0) return { diagnostic: 'databaseIsBehind', unappliedMigrationNames: unapplied }
  if (unapplied.length === 0) {
    return { diagnostic: 'migrationsDirectoryIsBehind', unpersistedMigrationNames: lost }
  }
  return {
    diagnostic: 'historiesDiverge',
    lastCommonMigrationName: paths[paths.indexOf(unapplied[0]) - 1] ?? null,
    unpersistedMigrationNames: lost,
    unappliedMigrationNames: unapplied,
  }
}

/** Closes every open row of the name. Says nothing where only old rolled-back rows are left. */
async function markMigrationRolledBack(database, { migrationName: name }) {
  await database.lock()
  const ledger = new Ledger(database)
  const rows = await ledger.rows()
  if (rows === null) {
    throw new Error(
      'Invariant violation: called markMigrationRolledBack on a database without migrations table.')
  }
  const attempts = rows.filter((row) => row.migration_name === name)
  if (attempts.length === 0) throw fail('P3011', name)
  if (attempts.every((row) => row.finished_at)) throw fail('P3012', name)
  for (const row of attempts.filter(isFailed)) await ledger.rolledBack(row.id)
  return {}
}

/** Records the script that lies on disk now as applied. Runs nothing and checks no object. */
async function markMigrationApplied(database, { migrationsList: list, migrationName: name }) {
  checkProvider(list)
  await database.lock()
  const migration = list.migrationDirectories.find(({ path }) => path === name)
  if (migration?.migrationFile.content.tag !== 'ok') throw fail('P3017', name)
  const ledger = new Ledger(database)
  if ((await ledger.rows()) === null) await ledger.create()
  const attempts = (await ledger.rows()).filter((row) => row.migration_name === name)
  if (attempts.some((row) => row.finished_at)) throw fail('P3008', name)
  for (const row of attempts.filter(isFailed)) await ledger.rolledBack(row.id)
  await ledger.markedApplied(name, scriptOf(migration))
  return {}
}

async function getDatabaseVersion(database) {
  return (await database.query('SELECT version() AS version')).rows[0].version
}

module.exports = {
  commands: {
    applyMigrations,
    diagnoseMigrationHistory,
    getDatabaseVersion,
    markMigrationApplied,
    markMigrationRolledBack,
  },
}
