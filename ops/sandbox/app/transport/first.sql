-- CreateEnum
CREATE TYPE "transport_mode" AS ENUM ('BUS', 'VAN', 'WALK');

-- CreateTable
CREATE TABLE "transport_stops" (
    "id" SERIAL NOT NULL,
    "school_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "fee" INTEGER NOT NULL DEFAULT 0,
    "pickup_at" TIME(0),

    CONSTRAINT "transport_stops_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "transport_stops_school_id_idx" ON "transport_stops"("school_id");

-- AlterTable
ALTER TABLE "students" ADD COLUMN "stop_id" INTEGER,
ADD COLUMN "transport" "transport_mode" NOT NULL DEFAULT 'WALK';

-- CreateIndex
CREATE INDEX "students_stop_id_idx" ON "students"("stop_id");

-- AddForeignKey
ALTER TABLE "students" ADD CONSTRAINT "students_stop_id_fkey" FOREIGN KEY ("stop_id") REFERENCES "transport_stops"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "transport_stops" ADD CONSTRAINT "transport_stops_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "schools"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
