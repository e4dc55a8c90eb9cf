-- AlterTable
ALTER TABLE "students" DROP COLUMN "fax";
