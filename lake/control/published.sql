-- name: put_contract
INSERT INTO control.mart_contracts (model, version, columns, consumers, plan_id)
VALUES (%(model)s, %(version)s, %(columns)s, %(consumers)s, %(plan_id)s)
ON CONFLICT (model) DO UPDATE
SET version = excluded.version, columns = excluded.columns, consumers = excluded.consumers,
    plan_id = excluded.plan_id, at = clock_timestamp()

-- name: forget_contracts
DELETE FROM control.mart_contracts WHERE model <> ALL(%(models)s)

-- name: contracts
SELECT model, version, columns, consumers FROM control.mart_contracts ORDER BY model
