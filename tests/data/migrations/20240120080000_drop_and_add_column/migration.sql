/*
  Warnings:

  - You are about to drop the column `pages` on the `Book` table. All the data in the column will be lost.
  - Added the required column `format` to the `Book` table with a default value. This is possible.

*/
-- AlterTable
ALTER TABLE "Book" DROP COLUMN "pages",
ADD COLUMN     "format" TEXT NOT NULL DEFAULT 'paper',
ADD COLUMN     "length" INTEGER;

-- AlterTable
ALTER TABLE "Reader" ADD COLUMN     "name" TEXT;

-- CreateIndex
CREATE INDEX "Book_format_idx" ON "Book"("format");

-- DropIndex
DROP INDEX "Loan_state_due_idx";

-- CreateIndex
CREATE INDEX "Loan_due_idx" ON "Loan"("due");
