-- Activation: what each destination is known to hold, what was planned, and what was sent (invariant I6).

-- The ledger: the content that the destination last accepted for a key. A delete leaves its row behind with
-- no payload, so that the revision never starts again and a later create gets an idempotency key of its own.
CREATE TABLE control.sync_ledger (
    sync text NOT NULL,
    key text NOT NULL,
    payload jsonb,
    revision bigint NOT NULL CHECK (revision > 0),
    run_id uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync, key)
);

CREATE TABLE control.sync_plans (
    plan_id uuid PRIMARY KEY,
    sync text NOT NULL,
    digest text NOT NULL,
    mapping text NOT NULL,
    snapshots jsonb NOT NULL,
    mart_rows bigint NOT NULL,
    ledger_version bigint NOT NULL,
    ledger_rows bigint NOT NULL,
    in_doubt bigint NOT NULL,
    guards jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'applied', 'superseded'))
);
CREATE UNIQUE INDEX sync_plans_one_open ON control.sync_plans (sync) WHERE state = 'open';
CREATE INDEX sync_plans_newest ON control.sync_plans (sync, created_at DESC);

CREATE TABLE control.sync_plan_changes (
    plan_id uuid NOT NULL REFERENCES control.sync_plans,
    key text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    revision bigint NOT NULL,
    before jsonb,
    after jsonb,
    PRIMARY KEY (plan_id, key)
);
CREATE TRIGGER sync_plan_changes_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON control.sync_plan_changes
FOR EACH STATEMENT EXECUTE FUNCTION control.refuse_change();

CREATE TABLE control.sync_runs (
    run_id uuid PRIMARY KEY,
    sync text NOT NULL,
    plan_id uuid NOT NULL REFERENCES control.sync_plans,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'partial', 'incomplete')),
    message text NOT NULL DEFAULT '',
    verified bigint NOT NULL DEFAULT 0,
    mismatched jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX sync_runs_newest ON control.sync_runs (sync, started_at DESC);

-- One line per record handed to the destination. It is written as 'sending' before the request leaves;
-- found in that state later, its outcome is in doubt and the same content goes again under the same key.
CREATE TABLE control.sync_deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES control.sync_runs,
    batch integer NOT NULL,
    sync text NOT NULL,
    key text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    revision bigint NOT NULL,
    idempotency_key uuid NOT NULL,
    payload jsonb,
    state text NOT NULL DEFAULT 'sending' CHECK (state IN ('sending', 'accepted', 'rejected')),
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    settled_by uuid REFERENCES control.sync_runs
);
-- I6 in the schema: one delivery in doubt or accepted per (sync, operation, key, revision); refused ones may come again.
CREATE UNIQUE INDEX sync_deliveries_once ON control.sync_deliveries (sync, operation, key, revision)
WHERE state <> 'rejected';
CREATE INDEX sync_deliveries_in_doubt ON control.sync_deliveries (sync) WHERE state = 'sending';
CREATE INDEX sync_deliveries_run ON control.sync_deliveries (run_id);
CREATE INDEX sync_deliveries_settled_by ON control.sync_deliveries (settled_by);
