-- name: claim
INSERT INTO control.idempotency_keys AS kept (scope, key, fingerprint, claim, claimed_at, expires_at)
SELECT
    %(scope)s, wanted.key, wanted.fingerprint, %(claim)s, clock_timestamp(), clock_timestamp() + %(keep)s
FROM unnest(%(keys)s::text[], %(fingerprints)s::bytea[]) AS wanted (key, fingerprint)
ORDER BY wanted.key
ON CONFLICT (scope, key) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    claim = excluded.claim,
    claimed_at = excluded.claimed_at,
    expires_at = excluded.expires_at,
    outcome = NULL
WHERE kept.expires_at <= clock_timestamp()
    OR (
        kept.outcome IS NULL
        AND kept.fingerprint = excluded.fingerprint
        AND kept.claimed_at + %(lease)s <= clock_timestamp()
    )
RETURNING kept.key

-- name: read
SELECT key, fingerprint, outcome FROM control.idempotency_keys
WHERE scope = %(scope)s AND key = any(%(keys)s)

-- name: settle
UPDATE control.idempotency_keys SET outcome = %(outcome)s
WHERE scope = %(scope)s AND key = any(%(keys)s) AND claim = %(claim)s

-- name: release
DELETE FROM control.idempotency_keys
WHERE scope = %(scope)s AND key = any(%(keys)s) AND claim = %(claim)s AND outcome IS NULL

-- name: forget_expired
DELETE FROM control.idempotency_keys
WHERE ctid IN (
    SELECT ctid FROM control.idempotency_keys WHERE expires_at <= clock_timestamp() LIMIT %(limit)s
)
