/*
  Warnings:

  - The primary key for the `Loan` table will be changed. If it partially fails, the table could be left without primary key constraint.

*/
-- DropForeignKey
ALTER TABLE "Loan" DROP CONSTRAINT "Loan_memberId_fkey";

-- AlterTable
ALTER TABLE "Loan" DROP CONSTRAINT "Loan_pkey",
ADD COLUMN     "id" SERIAL NOT NULL,
ADD CONSTRAINT "Loan_pkey" PRIMARY KEY ("id");

-- CreateIndex
CREATE UNIQUE INDEX "Loan_bookId_memberId_key" ON "Loan"("bookId", "memberId");

-- AddForeignKey
ALTER TABLE "Loan" ADD CONSTRAINT "Loan_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
