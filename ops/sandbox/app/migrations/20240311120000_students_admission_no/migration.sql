-- AlterTable
ALTER TABLE "students" ADD COLUMN "admission_no" TEXT;

-- Every student gets a number; new ones get theirs from the application.
UPDATE "students" SET "admission_no" = 'S-' || lpad("id"::text, 6, '0') WHERE "admission_no" IS NULL;

-- AlterTable
ALTER TABLE "students" ALTER COLUMN "admission_no" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "students_admission_no_key" ON "students"("admission_no");
