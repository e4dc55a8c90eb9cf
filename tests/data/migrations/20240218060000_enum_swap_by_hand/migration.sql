-- The same as Prisma writes it, without the transaction.
CREATE TYPE "LoanState_new" AS ENUM ('OPEN', 'RETURNED', 'LOST');
ALTER TABLE "Loan" ALTER COLUMN "state" DROP DEFAULT;
ALTER TABLE "Loan" ALTER COLUMN "state" TYPE "LoanState_new" USING ("state"::text::"LoanState_new");
ALTER TYPE "LoanState" RENAME TO "LoanState_old";
ALTER TYPE "LoanState_new" RENAME TO "LoanState";
DROP TYPE "LoanState_old";
ALTER TABLE "Loan" ALTER COLUMN "state" SET DEFAULT 'OPEN';
