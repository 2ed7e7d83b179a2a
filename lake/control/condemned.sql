-- name: of_table
SELECT path, condemned_at FROM control.condemned_files WHERE table_uuid = %(table_uuid)s

-- name: condemn
INSERT INTO control.condemned_files (table_uuid, path, bytes, condemned_at)
VALUES (%(table_uuid)s, %(path)s, %(bytes)s, %(at)s)
ON CONFLICT DO NOTHING

-- name: pardon
DELETE FROM control.condemned_files WHERE table_uuid = %(table_uuid)s AND path = ANY(%(paths)s)
