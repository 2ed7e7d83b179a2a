-- name: schema
CREATE TABLE IF NOT EXISTS contacts (
  external_id TEXT PRIMARY KEY,
  properties TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  idempotency_key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  status TEXT NOT NULL,
  decided_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

-- name: outcome
SELECT digest, status FROM outcomes WHERE idempotency_key = ?;

-- name: remember
INSERT INTO outcomes (idempotency_key, digest, status, decided_at) VALUES (?, ?, ?, ?);

-- name: contact
SELECT external_id, properties, version, created_at, updated_at FROM contacts WHERE external_id = ?;

-- name: contacts
SELECT external_id, properties, version, created_at, updated_at
FROM contacts WHERE external_id > ? ORDER BY external_id LIMIT ?;

-- name: insert
INSERT INTO contacts (external_id, properties, version, created_at, updated_at) VALUES (?, ?, 1, ?, ?);

-- name: update
UPDATE contacts SET properties = ?, version = version + 1, updated_at = ? WHERE external_id = ?;

-- name: delete
DELETE FROM contacts WHERE external_id = ?;

-- name: count_one
INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1;

-- name: counters
SELECT name, value FROM counters ORDER BY name;

-- name: size
SELECT count(*) FROM contacts;
