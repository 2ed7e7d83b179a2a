-- The query that commits an attempt on Trino, written before it may run: the snapshot carries the same id.
ALTER TABLE control.attempts ADD COLUMN query_id text NOT NULL DEFAULT '';
