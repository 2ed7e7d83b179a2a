-- name: open_attempt
INSERT INTO control.attempts
    (attempt_id, table_name, model, fingerprint, interval_start, interval_end, run_id, recorded)
VALUES
    (%(attempt_id)s, %(table_name)s, %(model)s, %(fingerprint)s, %(interval_start)s, %(interval_end)s, %(run_id)s,
     %(recorded)s)

-- name: note_query
UPDATE control.attempts SET query_id = %(query_id)s WHERE attempt_id = %(attempt_id)s

-- name: settle_attempt
UPDATE control.attempts
SET state = %(state)s, settled_at = clock_timestamp(), snapshot_id = %(snapshot_id)s, reason = %(reason)s
WHERE attempt_id = %(attempt_id)s

-- name: settle_older
UPDATE control.attempts
SET state = %(state)s, settled_at = clock_timestamp(), reason = 'settled by a later attempt'
WHERE attempt_id = %(attempt_id)s AND state IN ('open', 'unknown')

-- name: unsettled
SELECT attempt_id, table_name, model, fingerprint, interval_start, interval_end, run_id, state, opened_at,
       settled_at, snapshot_id, reason, recorded, query_id
FROM control.attempts
WHERE table_name = %(table_name)s AND state IN ('open', 'unknown')
ORDER BY opened_at

-- name: of_table
SELECT attempt_id, table_name, model, fingerprint, interval_start, interval_end, run_id, state, opened_at,
       settled_at, snapshot_id, reason, recorded, query_id
FROM control.attempts
WHERE table_name = %(table_name)s
ORDER BY opened_at DESC
LIMIT %(limit)s

-- name: unrecorded
SELECT attempt_id, table_name, model, fingerprint, interval_start, interval_end, run_id, state, opened_at,
       settled_at, snapshot_id, reason, recorded
FROM control.attempts
WHERE table_name = %(table_name)s AND fingerprint = %(fingerprint)s AND NOT recorded
  AND state IN ('open', 'unknown', 'landed')
ORDER BY opened_at

-- name: mark_recorded
UPDATE control.attempts SET recorded = true WHERE attempt_id = %(attempt_id)s
