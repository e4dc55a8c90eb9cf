CREATE INDEX CONCURRENTLY "payments_due_on_idx" ON "payments"("due_on");
