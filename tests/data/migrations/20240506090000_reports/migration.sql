CREATE VIEW "open_loans" AS
SELECT "Member"."name", count(*) AS loans
  FROM "Loan" JOIN "Member" ON "Member"."id" = "Loan"."memberId"
 WHERE "Loan"."state" = 'OPEN' AND "Loan"."returnedAt" IS NULL AND "Loan"."due" < now()
 GROUP BY "Member"."name";
CREATE MATERIALIZED VIEW "shelf" AS SELECT "branchId", count(*) AS books FROM "Book" GROUP BY 1;
REFRESH MATERIALIZED VIEW "shelf";
CREATE UNIQUE INDEX "shelf_branchId_key" ON "shelf"("branchId");
REFRESH MATERIALIZED VIEW CONCURRENTLY "shelf";
DROP VIEW "open_loans";
CREATE VIEW "open_loans" AS
SELECT "Member"."id", "Member"."name", count(*) AS loans
  FROM "Loan" JOIN "Member" ON "Member"."id" = "Loan"."memberId"
 WHERE "Loan"."state" = 'OPEN' GROUP BY "Member"."id", "Member"."name";
