-- What the models did: publish attempts, plans, runs, evaluations, audit results and evidence.

-- One try to publish one interval of one physical table (design §4). Written before the transaction opens.
CREATE TABLE control.attempts (
    attempt_id uuid PRIMARY KEY,
    table_name text NOT NULL,
    model text NOT NULL,
    fingerprint text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    run_id uuid,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'landed', 'refused', 'failed', 'conflict', 'unknown', 'lost')),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    snapshot_id bigint,
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX attempts_unsettled ON control.attempts (table_name) WHERE state IN ('open', 'unknown');
CREATE INDEX attempts_snapshot ON control.attempts (snapshot_id) WHERE snapshot_id IS NOT NULL;

CREATE TABLE control.plans (
    plan_id text PRIMARY KEY,
    environment text NOT NULL,
    actor text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    result text NOT NULL CHECK (result IN ('running', 'succeeded', 'failed', 'interrupted')),
    error text NOT NULL DEFAULT '',
    changes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX plans_started ON control.plans (started_at DESC);

CREATE TABLE control.runs (
    run_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('plan', 'run', 'audit')),
    environment text NOT NULL,
    plan_id text NOT NULL DEFAULT '',
    actor text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    result text NOT NULL CHECK (result IN ('running', 'succeeded', 'failed', 'interrupted')),
    error text NOT NULL DEFAULT ''
);
CREATE INDEX runs_started ON control.runs (started_at DESC);

CREATE TABLE control.evaluations (
    evaluation_id uuid PRIMARY KEY,
    run_id uuid,
    model text NOT NULL,
    table_name text NOT NULL,
    fingerprint text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    seconds double precision NOT NULL,
    rows bigint,
    engine text NOT NULL,
    attempt_id uuid,
    snapshot_id bigint,
    result text NOT NULL CHECK (result IN ('succeeded', 'refused', 'failed', 'interrupted')),
    error text NOT NULL DEFAULT ''
);
CREATE INDEX evaluations_model ON control.evaluations (model, started_at DESC);
CREATE INDEX evaluations_run ON control.evaluations (run_id);

CREATE TABLE control.audit_results (
    audit_result_id uuid PRIMARY KEY,
    run_id uuid,
    evaluation_id uuid,
    model text NOT NULL,
    audit text NOT NULL,
    blocking boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('passed', 'failed', 'skipped')),
    failing bigint,
    interval_start timestamptz,
    interval_end timestamptz,
    at timestamptz NOT NULL,
    query text NOT NULL DEFAULT ''
);
CREATE INDEX audit_results_model ON control.audit_results (model, at DESC);
CREATE INDEX audit_results_at ON control.audit_results (at DESC);

-- At most 100 failing rows of one audit, personal data masked; the table itself was rolled back.
CREATE TABLE control.evidence (
    audit_result_id uuid PRIMARY KEY,
    attempt_id uuid,
    rows jsonb NOT NULL,
    masked jsonb NOT NULL DEFAULT '[]',
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
