SET lock_timeout = '3s';
SET search_path = public, pg_temp;
ALTER TABLE "Member" ADD COLUMN "card" TEXT;
UPDATE "Member" SET "card" = 'C' || "id";
RESET lock_timeout;
CREATE UNIQUE INDEX "Member_card_key" ON "Member"("card");
SELECT set_config('search_path', '"public"', false);
