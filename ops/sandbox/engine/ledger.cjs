// The table _prisma_migrations: one row per attempt. Times come from this machine's clock.
'use strict'

const crypto = require('node:crypto')

const CREATE = `CREATE TABLE _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)`

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex')

/** Whether a recorded checksum is this script's, whatever its line ends. */
const sameScript = (script, checksum) =>
  [script, script.replaceAll('\r\n', '\n'), script.replaceAll('\n', '\r\n')].map(sha256).includes(checksum)

const isFailed = (row) => !row.finished_at && !row.rolled_back_at

class Ledger {
  constructor(database) {
    this.database = database
  }

  create() {
    return this.database.query(CREATE)
  }

  /** All rows, oldest first; null where there is no table. */
  async rows() {
    try {
      const found = await this.database.query(
        'SELECT id, checksum, finished_at, migration_name, rolled_back_at, started_at ' +
          'FROM _prisma_migrations ORDER BY started_at',
      )
      return found.rows
    } catch (error) {
      if (error.code === '42P01') return null
      throw error
    }
  }

  async started(name, script) {
    const id = crypto.randomUUID()
    await this.database.query(
      'INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name) VALUES ($1, $2, $3, $4)',
      [id, sha256(script), new Date(), name],
    )
    return id
  }

  failed(id, logs) {
    return this.database.query('UPDATE _prisma_migrations SET logs = $1 WHERE id = $2', [logs, id])
  }

  /** Two statements, as Prisma has it: a kill between them leaves one step and no finished_at. */
  async finished(id) {
    await this.database.query(
      'UPDATE _prisma_migrations SET applied_steps_count = applied_steps_count + 1 WHERE id = $1', [id])
    await this.database.query(
      'UPDATE _prisma_migrations SET finished_at = $1 WHERE id = $2', [new Date(), id])
  }

  rolledBack(id) {
    return this.database.query(
      'UPDATE _prisma_migrations SET rolled_back_at = $1 WHERE id = $2', [new Date(), id])
  }

  markedApplied(name, script) {
    return this.database.query(
      'INSERT INTO _prisma_migrations (id, checksum, logs, started_at, finished_at, migration_name) ' +
        "VALUES ($1, $2, '', $3, $3, $4)",
      [crypto.randomUUID(), sha256(script), new Date(), name],
    )
  }
}

module.exports = { Ledger, isFailed, sameScript }
