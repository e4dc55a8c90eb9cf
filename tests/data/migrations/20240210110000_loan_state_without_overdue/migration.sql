/*
  Warnings:

  - The values [OVERDUE] on the enum `LoanState` will be removed. If these variants are still used in the database, this will fail.

*/
-- AlterEnum
BEGIN;
CREATE TYPE "LoanState_new" AS ENUM ('OPEN', 'RETURNED');
ALTER TABLE "Loan" ALTER COLUMN "state" DROP DEFAULT;
ALTER TABLE "Loan" ALTER COLUMN "state" TYPE "LoanState_new" USING ("state"::text::"LoanState_new");
ALTER TYPE "LoanState" RENAME TO "LoanState_old";
ALTER TYPE "LoanState_new" RENAME TO "LoanState";
DROP TYPE "LoanState_old";
ALTER TABLE "Loan" ALTER COLUMN "state" SET DEFAULT 'OPEN';
COMMIT;

-- AlterTable
ALTER TABLE "Loan" ADD COLUMN     "returnedAt" TIMESTAMP(3);
