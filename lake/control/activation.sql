-- name: lock_sync
SELECT pg_try_advisory_lock(hashtextextended('lake.sync.' || %(sync)s, 0)) AS held

-- name: read_ledger
SELECT key, payload, revision FROM control.sync_ledger WHERE sync = %(sync)s

-- name: ledger_version
SELECT coalesce(sum(revision), 0)::bigint AS version,
       count(*) FILTER (WHERE payload IS NOT NULL) AS live
FROM control.sync_ledger
WHERE sync = %(sync)s

-- name: supersede_plans
UPDATE control.sync_plans SET state = 'superseded' WHERE sync = %(sync)s AND state = 'open'

-- name: insert_plan
INSERT INTO control.sync_plans
    (plan_id, sync, digest, mapping, snapshots, mart_rows, ledger_version, ledger_rows, in_doubt, guards, created_at)
VALUES
    (%(plan_id)s, %(sync)s, %(digest)s, %(mapping)s, %(snapshots)s, %(mart_rows)s, %(ledger_version)s,
     %(ledger_rows)s, %(in_doubt)s, %(guards)s, %(created_at)s)

-- name: insert_changes
INSERT INTO control.sync_plan_changes (plan_id, key, operation, revision, before, after)
SELECT %(plan_id)s, key, operation, revision, before, after
FROM jsonb_to_recordset(%(rows)s) AS r(key text, operation text, revision bigint, before jsonb, after jsonb)

-- name: newest_plan
SELECT plan_id, sync, digest, mapping, snapshots, mart_rows, ledger_version, ledger_rows, in_doubt, guards,
       created_at, state
FROM control.sync_plans
WHERE sync = %(sync)s
ORDER BY created_at DESC
LIMIT 1

-- name: has_baseline
SELECT EXISTS (SELECT 1 FROM control.sync_plans WHERE sync = %(sync)s AND state = 'applied') AS found

-- name: plan_changes
SELECT key, operation, revision, before, after
FROM control.sync_plan_changes
WHERE plan_id = %(plan_id)s
ORDER BY key

-- name: close_plan
UPDATE control.sync_plans SET state = 'applied' WHERE plan_id = %(plan_id)s AND state = 'open'

-- name: accepted_under_plan
SELECT c.key
FROM control.sync_plan_changes AS c
JOIN control.sync_deliveries AS d
  ON d.sync = %(sync)s AND d.key = c.key AND d.operation = c.operation AND d.revision = c.revision
WHERE c.plan_id = %(plan_id)s AND d.state = 'accepted' AND jsonb_strip_nulls(d.payload) IS NOT DISTINCT FROM c.after

-- name: end_killed_runs
UPDATE control.sync_runs
SET state = 'incomplete', message = 'killed before its end', finished_at = clock_timestamp()
WHERE sync = %(sync)s AND state = 'running'

-- name: insert_run
INSERT INTO control.sync_runs (run_id, sync, plan_id) VALUES (%(run_id)s, %(sync)s, %(plan_id)s)

-- name: finish_run
UPDATE control.sync_runs
SET state = %(state)s, message = %(message)s, verified = %(verified)s, mismatched = %(mismatched)s,
    finished_at = clock_timestamp()
WHERE run_id = %(run_id)s

-- name: insert_deliveries
INSERT INTO control.sync_deliveries
    (run_id, batch, sync, key, operation, revision, idempotency_key, payload)
SELECT %(run_id)s, batch, %(sync)s, key, operation, revision, idempotency_key, payload
FROM jsonb_to_recordset(%(rows)s)
    AS r(batch integer, key text, operation text, revision bigint, idempotency_key uuid, payload jsonb)

-- name: in_doubt
SELECT batch, key, operation, revision, idempotency_key, payload
FROM control.sync_deliveries
WHERE sync = %(sync)s AND state = 'sending'
ORDER BY delivery_id

-- name: settle_deliveries
UPDATE control.sync_deliveries AS d
SET state = r.state, code = r.code, message = r.message, settled_at = clock_timestamp(), settled_by = %(run_id)s
FROM jsonb_to_recordset(%(rows)s)
    AS r(key text, operation text, revision bigint, state text, code text, message text)
WHERE d.sync = %(sync)s AND d.key = r.key AND d.operation = r.operation AND d.revision = r.revision
  AND d.state = 'sending'

-- name: settle_ledger
INSERT INTO control.sync_ledger AS l (sync, key, payload, revision, run_id)
SELECT %(sync)s, r.key, jsonb_strip_nulls(r.payload), r.revision + 1, %(run_id)s
FROM jsonb_to_recordset(%(rows)s) AS r(key text, payload jsonb, revision bigint, state text)
WHERE r.state = 'accepted'
ON CONFLICT (sync, key) DO UPDATE
SET payload = excluded.payload, revision = excluded.revision, run_id = excluded.run_id,
    updated_at = clock_timestamp()
WHERE l.revision = excluded.revision - 1

-- name: newest_runs
SELECT r.run_id, r.sync, r.plan_id, r.started_at, r.finished_at, r.state, r.message, r.verified, r.mismatched,
       (SELECT count(*) FROM control.sync_deliveries AS d
        WHERE d.settled_by = r.run_id AND d.state = 'accepted') AS accepted,
       (SELECT count(*) FROM control.sync_deliveries AS d
        WHERE d.settled_by = r.run_id AND d.state = 'rejected') AS rejected,
       (SELECT count(*) FROM control.sync_deliveries AS d
        WHERE d.run_id = r.run_id AND d.state = 'sending') AS in_doubt
FROM control.sync_runs AS r
WHERE r.sync = %(sync)s
ORDER BY r.started_at DESC
LIMIT %(limit)s

-- name: newest_rejections
SELECT settled_by AS run_id, key, operation, code, message, settled_at AS at
FROM control.sync_deliveries
WHERE sync = %(sync)s AND state = 'rejected'
ORDER BY settled_at DESC, key
LIMIT %(limit)s
