-- name: log_id
SELECT id FROM control.history_log_id

-- Writers that hold a number but have not committed are waited for, or their rows would be passed over.
-- name: wait_for_writers
LOCK TABLE control.history_log IN SHARE MODE

-- name: last
SELECT coalesce(max(seq), 0) AS seq FROM control.history_log

-- name: after
SELECT seq, row FROM control.history_log
WHERE kind = %(kind)s AND seq > %(after)s AND seq <= %(last)s
ORDER BY seq
LIMIT %(limit)s

-- name: of_snapshot
SELECT e.evaluation_id, e.run_id, e.model, e.table_name, e.fingerprint, e.interval_start, e.interval_end,
       e.started_at, e.seconds, e.rows, e.engine, e.attempt_id, e.snapshot_id, e.result, e.error,
       r.kind AS run_kind, r.environment, r.actor, r.plan_id
FROM control.evaluations AS e
LEFT JOIN control.runs AS r ON r.run_id = e.run_id
WHERE e.table_name = %(table_name)s AND e.snapshot_id = %(snapshot_id)s
ORDER BY e.started_at DESC
LIMIT 1

-- name: audits_of_evaluation
SELECT audit, blocking, status, failing FROM control.audit_results
WHERE evaluation_id = %(evaluation_id)s
ORDER BY audit
