-- AlterTable
ALTER TABLE "students" ADD COLUMN "slug" TEXT;

-- Every student gets one. New ones get theirs from the application.
UPDATE "students" SET "slug" = lower(replace("name", ' ', '-')) || '-' || "id" WHERE "slug" IS NULL;

-- CreateIndex
CREATE UNIQUE INDEX "students_slug_key" ON "students"("slug");

-- AlterTable
ALTER TABLE "students" ALTER COLUMN "slug" SET NOT NULL;
