-- What the contract of a mart promised when prod was last planned: the next plan is held to it.
CREATE TABLE control.mart_contracts (
    model text PRIMARY KEY,
    version text NOT NULL,
    columns jsonb NOT NULL,
    consumers jsonb NOT NULL DEFAULT '[]',
    plan_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
