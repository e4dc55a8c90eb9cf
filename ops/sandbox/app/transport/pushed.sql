-- What `db push` of a draft made: no enum yet, shorter names, another type and default of the fee,
-- no time of pickup. Somebody has entered stops since.
CREATE TABLE "transport_stops" (
    "id" SERIAL NOT NULL,
    "school_id" INTEGER NOT NULL,
    "name" VARCHAR(40) NOT NULL,
    "fee" BIGINT NOT NULL DEFAULT 500,

    CONSTRAINT "transport_stops_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "transport_stops_school_id_idx" ON "transport_stops"("school_id");
ALTER TABLE "students" ADD COLUMN "stop_id" INTEGER;
ALTER TABLE "students" ADD CONSTRAINT "students_stop_id_fkey" FOREIGN KEY ("stop_id") REFERENCES "transport_stops"("id") ON DELETE SET NULL ON UPDATE CASCADE;

INSERT INTO "transport_stops" ("school_id", "name") SELECT 1 + n % 3, 'Stop ' || n FROM generate_series(1, 12) AS n;
UPDATE "students" SET "stop_id" = 1 + "id" % 12 WHERE "id" % 4 = 0;
