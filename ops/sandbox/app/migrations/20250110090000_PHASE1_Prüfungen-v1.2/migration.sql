-- CreateTable
CREATE TABLE "exams" (
    "id" SERIAL NOT NULL,
    "class_id" INTEGER NOT NULL,
    "subject" TEXT NOT NULL DEFAULT 'it''s open; ask the teacher',
    "held_on" DATE,

    CONSTRAINT "exams_pkey" PRIMARY KEY ("id")
);

-- AddForeignKey
ALTER TABLE "exams" ADD CONSTRAINT "exams_class_id_fkey" FOREIGN KEY ("class_id") REFERENCES "classes"("id") ON DELETE CASCADE ON UPDATE CASCADE;
