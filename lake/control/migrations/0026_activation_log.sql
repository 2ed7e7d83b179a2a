-- Activation's runs and settled deliveries join the log of what is appended to the lake. A delivery's key, payload
-- and message stay here: they are about persons. What is settled never changes again.
ALTER TABLE control.history_log
DROP CONSTRAINT history_log_kind_check,
ADD CONSTRAINT history_log_kind_check CHECK (
    kind IN ('plans', 'runs', 'evaluations', 'audit_results', 'promotions', 'sync_runs', 'sync_deliveries')
);

CREATE FUNCTION control.log_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO control.history_log (kind, row)
    SELECT 'sync_deliveries', to_jsonb(n) - '{key,payload,message}'::text[]
    FROM settled AS n
    JOIN sending AS o ON o.delivery_id = n.delivery_id
    WHERE o.state = 'sending' AND n.state <> 'sending'
    ORDER BY n.delivery_id;
    RETURN NULL;
END $$;

CREATE TRIGGER sync_deliveries_logged AFTER UPDATE ON control.sync_deliveries
REFERENCING OLD TABLE AS sending NEW TABLE AS settled
FOR EACH STATEMENT EXECUTE FUNCTION control.log_deliveries();
CREATE TRIGGER sync_runs_logged AFTER UPDATE ON control.sync_runs
FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
EXECUTE FUNCTION control.log_history('sync_runs');

INSERT INTO control.history_log (kind, row)
SELECT 'sync_runs', to_jsonb(r) FROM control.sync_runs AS r WHERE finished_at IS NOT NULL ORDER BY started_at;
INSERT INTO control.history_log (kind, row)
SELECT 'sync_deliveries', to_jsonb(d) - '{key,payload,message}'::text[]
FROM control.sync_deliveries AS d
WHERE state <> 'sending'
ORDER BY delivery_id;
