-- The dashboard reads this table all day: it must not wait for the index.
CREATE UNIQUE INDEX CONCURRENTLY "classes_school_id_name_key" ON "classes"("school_id", "name");
