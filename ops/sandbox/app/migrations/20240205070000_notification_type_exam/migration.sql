-- AlterEnum
ALTER TYPE "notification_type" ADD VALUE 'EXAM';
