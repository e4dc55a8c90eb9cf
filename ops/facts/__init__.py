"""What is true now, read-only: git, Prisma, the database, its ledger and sessions, the tools."""
