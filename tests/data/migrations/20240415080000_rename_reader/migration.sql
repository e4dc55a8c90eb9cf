-- Prisma would drop and create; renaming keeps the rows.
ALTER TABLE "Reader" RENAME TO "Member";
ALTER TABLE "Member" RENAME CONSTRAINT "Reader_pkey" TO "Member_pkey";
ALTER INDEX "Reader_email_key" RENAME TO "Member_email_key";
ALTER SEQUENCE "Reader_id_seq" RENAME TO "Member_id_seq";
ALTER TABLE "Loan" RENAME COLUMN "readerId" TO "memberId";
ALTER TABLE "Loan" RENAME CONSTRAINT "Loan_readerId_fkey" TO "Loan_memberId_fkey";
