-- name: create_key
INSERT INTO control.api_keys
    (key_id, name, secret_sha256, streams, records_per_second, created_by, expires_at)
VALUES
    (%(key_id)s, %(name)s, %(secret_sha256)s, %(streams)s, %(records_per_second)s, %(created_by)s, %(expires_at)s)
RETURNING *

-- name: list_keys
SELECT * FROM control.api_keys ORDER BY created_at, key_id

-- name: active_keys
SELECT * FROM control.api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())

-- name: revoke_key
UPDATE control.api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE key_id = %(key_id)s
RETURNING *
