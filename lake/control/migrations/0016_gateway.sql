-- The HTTP gateway: who may send, and which requests it has answered already.

-- Of a key only the hash of its secret is kept; the secret is 256 random bits, so nobody can guess through it.
CREATE TABLE control.api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    streams text[] NOT NULL CHECK (cardinality(streams) > 0), -- '*' stands for all
    records_per_second integer NOT NULL CHECK (records_per_second > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);

-- One line per idempotency key and scope (API key and stream). Without an outcome somebody is at it: until the
-- lease ends nobody else may send under that key. `claim` is the request that holds it.
CREATE TABLE control.idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    claim uuid NOT NULL,
    claimed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    outcome jsonb,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_expiry ON control.idempotency_keys (expires_at);
