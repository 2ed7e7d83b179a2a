-- Finished rows of the history in one order, so that each is appended to the lake once.
-- The log has an id of its own: a database that is made anew starts another log.
CREATE TABLE control.history_log_id (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
INSERT INTO control.history_log_id DEFAULT VALUES;

CREATE TABLE control.history_log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('plans', 'runs', 'evaluations', 'audit_results', 'promotions')),
    row jsonb NOT NULL
);
CREATE INDEX history_log_kind ON control.history_log (kind, seq);

-- What an applied plan changed in an environment's views.
CREATE TABLE control.promotions (
    promotion_id uuid PRIMARY KEY,
    plan_id text NOT NULL,
    environment text NOT NULL,
    model text NOT NULL,
    action text NOT NULL CHECK (action IN ('promoted', 'removed')),
    table_name text NOT NULL DEFAULT '',
    fingerprint text NOT NULL DEFAULT '',
    at timestamptz NOT NULL
);
CREATE INDEX promotions_at ON control.promotions (environment, at DESC);

CREATE FUNCTION control.log_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO control.history_log (kind, row) VALUES (TG_ARGV[0], to_jsonb(NEW));
    RETURN NULL;
END $$;

CREATE TRIGGER evaluations_logged AFTER INSERT ON control.evaluations
FOR EACH ROW EXECUTE FUNCTION control.log_history('evaluations');
CREATE TRIGGER audit_results_logged AFTER INSERT ON control.audit_results
FOR EACH ROW EXECUTE FUNCTION control.log_history('audit_results');
CREATE TRIGGER promotions_logged AFTER INSERT ON control.promotions
FOR EACH ROW EXECUTE FUNCTION control.log_history('promotions');
CREATE TRIGGER plans_logged AFTER UPDATE ON control.plans
FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
EXECUTE FUNCTION control.log_history('plans');
CREATE TRIGGER runs_logged AFTER UPDATE ON control.runs
FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
EXECUTE FUNCTION control.log_history('runs');
-- A beginning that was lost is written with its end.
CREATE TRIGGER plans_logged_whole AFTER INSERT ON control.plans
FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION control.log_history('plans');
CREATE TRIGGER runs_logged_whole AFTER INSERT ON control.runs
FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION control.log_history('runs');

INSERT INTO control.history_log (kind, row)
SELECT kind, row FROM (
    SELECT 'plans' AS kind, to_jsonb(p) AS row, started_at FROM control.plans AS p WHERE finished_at IS NOT NULL
    UNION ALL
    SELECT 'runs', to_jsonb(r), started_at FROM control.runs AS r WHERE finished_at IS NOT NULL
    UNION ALL
    SELECT 'evaluations', to_jsonb(e), started_at FROM control.evaluations AS e
    UNION ALL
    SELECT 'audit_results', to_jsonb(a), at FROM control.audit_results AS a
) AS past
ORDER BY started_at;
