"""A run: a plan carried out as durable jobs, under a lock, with a journal on both sides."""
