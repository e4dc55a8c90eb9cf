import { defineConfig, env } from 'prisma/config'

export default defineConfig({
  schema: 'src/prisma/db/schema.prisma',
  datasource: { url: env('DATABASE_URL') },
})
