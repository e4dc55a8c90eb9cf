-- AlterTable
ALTER TABLE "payments" ADD COLUMN "updated_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

CREATE FUNCTION "touch_updated_at"() RETURNS trigger LANGUAGE plpgsql AS $touch$
BEGIN
    -- Written here and not in the application; imports go past the application.
    NEW."updated_at" := CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$touch$;

CREATE TRIGGER "payments_touch_updated_at" BEFORE UPDATE ON "payments"
    FOR EACH ROW EXECUTE FUNCTION "touch_updated_at"();
