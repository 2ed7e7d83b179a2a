-- Append-only: who did what, when, why and how it ended (invariant I7).
CREATE TABLE control.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    act text NOT NULL,
    target text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    result text NOT NULL CHECK (result IN ('started', 'succeeded', 'failed', 'interrupted')),
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_act_id ON control.audit_log (act_id);

CREATE FUNCTION control.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON control.audit_log
FOR EACH STATEMENT EXECUTE FUNCTION control.refuse_change();
