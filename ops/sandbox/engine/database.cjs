// One connection, opened and used as Prisma's PostgreSQL connector does it.
'use strict'

const { Client, escapeIdentifier } = require('pg')
const { KnownError, LOCK_QUERY, LOCK_TIMEOUT_MS, fail } = require('./errors.cjs')
const { parseUrl } = require('./datasource.cjs')

const UNREACHABLE = new Set(['57P03', 'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH',
  'ENOENT', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'])
const CLOSED = /Connection terminated|not queryable|Client was closed/

class Database {
  constructor(client, schema) {
    this.client = client
    this.schema = schema
  }

  /** Connects, and creates the schema of the URL where it is missing: so does every Prisma command. */
  static async connect(url) {
    const place = parseUrl(url)
    const database = new Database(await open(place, place.database), place.schema)
    await database.query(`SET search_path TO ${escapeIdentifier(place.schema)}`)
    const found = await database.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [place.schema])
    if (found.rowCount === 0) await database.query(`CREATE SCHEMA ${escapeIdentifier(place.schema)}`)
    return database
  }

  /** Creates the database of the URL; `prisma migrate deploy` asks for it where P1003 says it is missing. */
  static async create(url) {
    const place = parseUrl(url)
    const client = await open(place, 'postgres')
    try {
      await client.query(`CREATE DATABASE ${escapeIdentifier(place.database)}`)
    } catch (error) {
      throw error.code === '42P04' ? fail('P1009', place.database) : error
    } finally {
      await client.end()
    }
  }

  /** Without parameters this is one message of the simple protocol: several statements, one transaction. */
  async query(sql, parameters) {
    try {
      return await this.client.query(sql, parameters)
    } catch (error) {
      throw CLOSED.test(error.message) ? fail('P1017') : error
    }
  }

  /** Holds advisory lock 72707369 until the connection ends. The time limit is this side's alone. */
  async lock() {
    if (!['', '0', undefined].includes(process.env.PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK)) return
    let timer
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(fail('P1002')), LOCK_TIMEOUT_MS)
    })
    const locked = this.query(LOCK_QUERY)
    locked.catch(() => {}) // after the time limit nobody waits for it, but it still ends
    await Promise.race([locked, timeout]).finally(() => clearTimeout(timer))
  }

  async close() {
    // A query that still waits for the lock would hold up a polite end.
    await Promise.race([this.client.end(), new Promise((resolve) => setTimeout(resolve, 200))])
  }
}

async function open(place, database) {
  const client = new Client({
    host: place.host,
    port: place.port,
    user: place.user,
    password: place.password,
    database,
    application_name: place.applicationName,
    options: place.options,
    connectionTimeoutMillis: place.connectTimeout * 1000,
    ssl: place.tls ? { rejectUnauthorized: false } : false,
  })
  client.on('error', () => {}) // the query that is under way reports it
  try {
    await client.connect()
  } catch (error) {
    throw connectError(error, place, database)
  }
  return client
}

function connectError(error, place, database) {
  if (error instanceof KnownError) return error
  const address = `${place.host}:${place.port}`
  if (error.code === '28P01') return fail('P1000', place.user)
  if (error.code === '3D000') return fail('P1003', database)
  if (error.code === '28000') return fail('P1010', database)
  const cause = error.errors?.[0]?.code ?? error.code // one error per address that was tried
  if (UNREACHABLE.has(cause) || /timeout/i.test(error.message)) return fail('P1001', address)
  if (CLOSED.test(error.message)) return fail('P1017')
  return error
}

module.exports = { Database }
