-- Prisma would drop and add the column; renaming keeps what is in it.
ALTER TABLE "students" RENAME COLUMN "phone" TO "mobile";
