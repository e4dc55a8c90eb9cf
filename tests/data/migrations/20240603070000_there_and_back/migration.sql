-- An attempt, and the way back: the catalog is as it was.
ALTER TABLE "Event" ADD COLUMN "note" TEXT;
UPDATE "Event" SET "note" = 'old';
ALTER TABLE "Event" DROP COLUMN "note";
ALTER TABLE "Event" ADD COLUMN "remark" TEXT;
