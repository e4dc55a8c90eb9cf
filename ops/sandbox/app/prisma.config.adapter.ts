import { PrismaPg } from '@prisma/adapter-pg'
import { defineConfig } from 'prisma/config'

// Parts and not the whole URL: with a connection string the adapter's shadow database would be the
// main one. A short idle time, because the command ends only when the pool is empty.
const url = new URL(process.env.DATABASE_URL ?? '')

export default defineConfig({
  experimental: { adapter: true },
  engine: 'js',
  schema: 'src/prisma/db/schema.prisma',
  adapter: async () =>
    new PrismaPg(
      {
        host: url.hostname,
        port: Number(url.port || 5432),
        user: decodeURIComponent(url.username),
        password: decodeURIComponent(url.password),
        database: decodeURIComponent(url.pathname.slice(1)),
        idleTimeoutMillis: 50,
      },
      { schema: url.searchParams.get('schema') ?? 'public' },
    ),
})
