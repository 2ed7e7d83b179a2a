-- Circuit breakers of streams: two processes and the next run see the same state.
CREATE TABLE control.breakers (
    stream text PRIMARY KEY,
    is_open boolean NOT NULL,
    opened_at timestamptz,
    records bigint NOT NULL DEFAULT 0,
    bad bigint NOT NULL DEFAULT 0,
    share_limit double precision NOT NULL DEFAULT 0,
    cause text NOT NULL DEFAULT '',
    closed_at timestamptz,
    closed_by text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    -- What is not judged again after somebody closed it: ends of logs by shard, or runs of an extract.
    let_through jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX breakers_open ON control.breakers (stream) WHERE is_open;
