-- name: open
INSERT INTO control.breakers (stream, is_open, opened_at, records, bad, share_limit, cause)
VALUES (%(stream)s, true, clock_timestamp(), %(records)s, %(bad)s, %(share_limit)s, %(cause)s)
ON CONFLICT (stream) DO UPDATE SET
    is_open = true,
    opened_at = excluded.opened_at,
    records = excluded.records,
    bad = excluded.bad,
    share_limit = excluded.share_limit,
    cause = excluded.cause,
    let_through = '{}'
WHERE NOT control.breakers.is_open

-- name: close
UPDATE control.breakers
SET is_open = false,
    closed_at = clock_timestamp(),
    closed_by = %(actor)s,
    reason = %(reason)s,
    let_through = %(let_through)s
WHERE stream = %(stream)s AND is_open

-- name: of_streams
SELECT stream, is_open, opened_at, records, bad, share_limit, cause, closed_at, closed_by, reason, let_through
FROM control.breakers
WHERE stream = ANY(%(streams)s)

-- name: all_open
SELECT stream, is_open, opened_at, records, bad, share_limit, cause, closed_at, closed_by, reason, let_through
FROM control.breakers
WHERE is_open
ORDER BY stream

-- name: take_run
UPDATE control.breakers
SET let_through = '{}'
WHERE stream = %(stream)s AND NOT is_open AND let_through ? 'runs'

-- name: is_there
SELECT to_regclass('control.breakers') IS NOT NULL AS is_there
