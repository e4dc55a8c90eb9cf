-- Readers must have a name from now on.
UPDATE "Reader" SET "name" = split_part("email", '@', 1) WHERE "name" IS NULL;

ALTER TABLE "Reader" ALTER COLUMN "name" SET NOT NULL;

UPDATE "Book" SET "length" = 100 WHERE "length" IS NULL;
DELETE FROM "Loan" WHERE "state" = 'RETURNED';

-- AlterTable
ALTER TABLE "Book" ALTER COLUMN "length" SET NOT NULL;
