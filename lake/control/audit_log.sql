-- name: append_act
INSERT INTO control.audit_log (act_id, actor, act, target, reason, result, detail)
VALUES (%(act_id)s, %(actor)s, %(act)s, %(target)s, %(reason)s, %(result)s, %(detail)s)

-- name: newest_acts
SELECT act_id, at, actor, act, target, reason, result, detail
FROM control.audit_log
ORDER BY id DESC
LIMIT %(limit)s
