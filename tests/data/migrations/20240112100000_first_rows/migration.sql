-- The branches that were there when we opened.
INSERT INTO "Branch" ("name", "opened") VALUES ('Harbour', '1998-03-01'), ('Old Town', NULL);
INSERT INTO "Book" ("id", "title", "isbn", "branchId", "pages")
SELECT 'book-' || n, 'Volume ' || n, lpad(n::text, 13, '0'), 1 + n % 2, 80 + n
  FROM generate_series(1, 40) AS n;
INSERT INTO "Reader" ("email") SELECT 'reader' || n || '@example.org' FROM generate_series(1, 20) AS n;
INSERT INTO "Loan" ("bookId", "readerId", "due")
SELECT 'book-' || n, 1 + n % 20, TIMESTAMPTZ '2024-02-01 00:00:00+00' + n * INTERVAL '1 day'
  FROM generate_series(1, 30) AS n;
