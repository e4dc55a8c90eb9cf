-- Names that need quotes, and text with semicolons; and no line end at its end
CREATE TABLE "Größe ""XL"";" (
    "ключ" TEXT NOT NULL,
    "a;b" TEXT NOT NULL DEFAULT 'it''s; -- no comment',
    CONSTRAINT "Größe_pkey" PRIMARY KEY ("ключ")
);
COMMENT ON TABLE "Größe ""XL"";" IS $note$ ; not the end $$ ; $note$;
INSERT INTO "Größe ""XL"";" VALUES ('ä', E'tab\t;'), ('ö', '\');
CREATE INDEX "Größe_a;b_idx" ON "Größe ""XL"";"("a;b")