-- name: put_plan
INSERT INTO control.plans (plan_id, environment, actor, started_at, finished_at, result, error, changes)
VALUES (%(plan_id)s, %(environment)s, %(actor)s, %(started_at)s, %(finished_at)s, %(result)s, %(error)s,
        %(changes)s)
ON CONFLICT (plan_id) DO UPDATE
SET finished_at = excluded.finished_at, result = excluded.result, error = excluded.error

-- name: put_run
INSERT INTO control.runs (run_id, kind, environment, plan_id, actor, started_at, finished_at, result, error)
VALUES (%(run_id)s, %(kind)s, %(environment)s, %(plan_id)s, %(actor)s, %(started_at)s, %(finished_at)s,
        %(result)s, %(error)s)
ON CONFLICT (run_id) DO UPDATE
SET finished_at = excluded.finished_at, result = excluded.result, error = excluded.error

-- name: put_evaluation
INSERT INTO control.evaluations
    (evaluation_id, run_id, model, table_name, fingerprint, interval_start, interval_end, started_at, seconds,
     rows, engine, attempt_id, snapshot_id, result, error)
VALUES
    (%(evaluation_id)s, %(run_id)s, %(model)s, %(table_name)s, %(fingerprint)s, %(interval_start)s,
     %(interval_end)s, %(started_at)s, %(seconds)s, %(rows)s, %(engine)s, %(attempt_id)s, %(snapshot_id)s,
     %(result)s, %(error)s)
ON CONFLICT (evaluation_id) DO NOTHING

-- name: put_audit_result
INSERT INTO control.audit_results
    (audit_result_id, run_id, evaluation_id, model, audit, blocking, status, failing, interval_start,
     interval_end, at, query)
VALUES
    (%(audit_result_id)s, %(run_id)s, %(evaluation_id)s, %(model)s, %(audit)s, %(blocking)s, %(status)s,
     %(failing)s, %(interval_start)s, %(interval_end)s, %(at)s, %(query)s)
ON CONFLICT (audit_result_id) DO NOTHING

-- name: put_evidence
INSERT INTO control.evidence (audit_result_id, attempt_id, rows, masked)
VALUES (%(audit_result_id)s, %(attempt_id)s, %(rows)s, %(masked)s)
ON CONFLICT (audit_result_id) DO NOTHING

-- name: put_promotion
INSERT INTO control.promotions (promotion_id, plan_id, environment, model, action, table_name, fingerprint, at)
VALUES (%(promotion_id)s, %(plan_id)s, %(environment)s, %(model)s, %(action)s, %(table_name)s, %(fingerprint)s,
        %(at)s)
ON CONFLICT (promotion_id) DO NOTHING

-- name: runs
SELECT run_id, kind, environment, plan_id, actor, started_at, finished_at, result, error
FROM control.runs
WHERE %(environment)s::text IS NULL OR environment = %(environment)s
ORDER BY started_at DESC
LIMIT %(limit)s

-- name: plans
SELECT plan_id, environment, actor, started_at, finished_at, result, error, changes
FROM control.plans
WHERE %(environment)s::text IS NULL OR environment = %(environment)s
ORDER BY started_at DESC
LIMIT %(limit)s

-- name: evaluations
SELECT evaluation_id, run_id, model, table_name, fingerprint, interval_start, interval_end, started_at, seconds,
       rows, engine, attempt_id, snapshot_id, result, error
FROM control.evaluations
WHERE (%(model)s::text IS NULL OR model = %(model)s)
  AND (%(run_id)s::uuid IS NULL OR run_id = %(run_id)s)
ORDER BY started_at DESC
LIMIT %(limit)s

-- name: recent_evaluations
SELECT evaluation_id, run_id, model, table_name, fingerprint, interval_start, interval_end, started_at, seconds,
       rows, engine, attempt_id, snapshot_id, result, error
FROM (
    SELECT *, row_number() OVER (PARTITION BY model ORDER BY started_at DESC) AS place
    FROM control.evaluations
    WHERE model = ANY(%(models)s) AND result = 'succeeded' AND rows IS NOT NULL
) AS newest
WHERE place <= %(each)s
ORDER BY model, started_at DESC

-- name: audit_results
SELECT audit_result_id, run_id, evaluation_id, model, audit, blocking, status, failing, interval_start,
       interval_end, at, query
FROM control.audit_results
WHERE (%(model)s::text IS NULL OR model = %(model)s)
  AND (%(run_id)s::uuid IS NULL OR run_id = %(run_id)s)
ORDER BY at DESC, audit
LIMIT %(limit)s

-- name: latest_audit_results
SELECT DISTINCT ON (model, audit)
       audit_result_id, run_id, evaluation_id, model, audit, blocking, status, failing, interval_start,
       interval_end, at, query
FROM control.audit_results
WHERE status <> 'skipped' AND (%(model)s::text IS NULL OR model = %(model)s)
ORDER BY model, audit, at DESC
LIMIT %(limit)s

-- name: evidence
SELECT audit_result_id, attempt_id, rows, masked, at
FROM control.evidence
WHERE audit_result_id = %(audit_result_id)s
