-- Safe to run twice.
ALTER TABLE "Branch" ADD COLUMN IF NOT EXISTS "phone" TEXT;
CREATE TABLE IF NOT EXISTS "Event" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "branchId" INTEGER,
    "at" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "Event_pkey" PRIMARY KEY ("id")
);
CREATE INDEX IF NOT EXISTS "Event_at_idx" ON "Event"("at");
DO $$ BEGIN
  ALTER TABLE "Event" ADD CONSTRAINT "Event_branchId_fkey"
    FOREIGN KEY ("branchId") REFERENCES "Branch"("id") ON DELETE SET NULL ON UPDATE CASCADE;
EXCEPTION
  WHEN duplicate_object THEN NULL;
END $$;
DO $$
DECLARE missing integer;
BEGIN
  SELECT count(*) INTO missing FROM "Branch" WHERE "phone" IS NULL;
  IF missing > 0 THEN
    UPDATE "Branch" SET "phone" = 'unknown' WHERE "phone" IS NULL;
  END IF;
END $$;
ALTER TABLE "Event" ADD COLUMN IF NOT EXISTS "at" TIMESTAMP(3);
