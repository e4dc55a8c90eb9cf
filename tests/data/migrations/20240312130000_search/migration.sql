-- Full text search; kept by the database, unknown to the schema.
ALTER TABLE "Book" ADD COLUMN "search" tsvector
  GENERATED ALWAYS AS (to_tsvector('simple', coalesce("title", ''))) STORED;
CREATE INDEX "Book_search_idx" ON "Book" USING GIN ("search");
CREATE INDEX CONCURRENTLY "Book_lower_title_idx" ON "Book" (lower("title"));
CREATE INDEX CONCURRENTLY IF NOT EXISTS "Book_lower_title_idx" ON "Book" (lower("title"));
COMMENT ON COLUMN "Book"."search" IS 'words of the title';
COMMENT ON COLUMN "Book"."search" IS 'words of the title; see Book_search_idx';
