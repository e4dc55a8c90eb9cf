"""prisma-ops: from a failed Prisma migration back to a schema that is proved right."""

__version__ = "0.1.0"
