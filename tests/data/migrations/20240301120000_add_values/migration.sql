-- AlterEnum
-- This migration adds more than one value to an enum.


ALTER TYPE "LoanState" ADD VALUE 'RESERVED' BEFORE 'OPEN';
ALTER TYPE "LoanState" ADD VALUE IF NOT EXISTS 'RESERVED';
ALTER TYPE "LoanState" ADD VALUE 'WRITTEN_OFF';
ALTER TYPE "LoanState" RENAME VALUE 'WRITTEN_OFF' TO 'GONE';
