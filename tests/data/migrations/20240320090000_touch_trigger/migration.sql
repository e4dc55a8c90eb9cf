CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $$
BEGIN
  NEW."updatedAt" := CURRENT_TIMESTAMP; -- the clock; of the server
  RETURN NEW;
END;
$$ LANGUAGE plpgsql;

ALTER TABLE "Reader" ADD COLUMN "updatedAt" TIMESTAMP(3);
CREATE TRIGGER "Reader_touch" BEFORE UPDATE ON "Reader" FOR EACH ROW EXECUTE FUNCTION touch();
UPDATE "Reader" SET "name" = upper("name");

-- Nobody should call it directly.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $$
BEGIN
  NEW."updatedAt" := statement_timestamp();
  RETURN NEW;
END;
$$ LANGUAGE plpgsql;
