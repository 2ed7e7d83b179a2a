-- name: causes
WITH records AS (
    SELECT
        q.source,
        q.partition,
        q."offset",
        q.first_seen,
        q.contract_version,
        {causes} AS causes,
        {state} AS state
    FROM {records}
),
each_cause AS (
    SELECT *, unnest(causes) AS cause
    FROM records
)
SELECT
    cause.rule AS rule,
    cause.path AS path,
    count(*) AS records,
    count(*) FILTER (state = 'open') AS open,
    count(*) FILTER (state = 'open' AND len(causes) = 1) AS alone,
    count(*) FILTER (state = 'replayed') AS replayed,
    count(*) FILTER (state = 'discarded') AS discarded,
    min(first_seen) AS first_seen,
    max(first_seen) AS last_seen,
    list_sort(list(DISTINCT contract_version)) AS versions,
    arg_max(struct_pack(source := source, "partition" := "partition", "offset" := "offset"), first_seen) AS example
FROM each_cause
GROUP BY ALL
ORDER BY open DESC, records DESC, rule, path

-- name: open_records
SELECT q.source, q.partition, q."offset", q.first_seen, coalesce(octet_length(q.value), 0) AS bytes
FROM {records}
WHERE {state} = 'open' AND ($rule IS NULL OR list_contains({causes}, struct_pack(rule := $rule, path := $path)))
ORDER BY q.source, q.partition, q."offset"

-- name: sample
SELECT
    q.source,
    q.partition,
    q."offset",
    q.key,
    q.value,
    q.produced_at,
    q.first_seen,
    q.contract_version,
    q.rules,
    {state} AS state
FROM {records}
WHERE $rule IS NULL OR list_contains({causes}, struct_pack(rule := $rule, path := $path))
ORDER BY q.first_seen DESC, q.source, q.partition, q."offset" DESC
LIMIT $limit

-- name: contents
SELECT q."offset", q.first_seen, q.key, q.value, q.produced_at, q.reason, q.idempotency_key
FROM {quarantine} AS q
SEMI JOIN wanted AS w ON q."offset" = w."offset" AND q.first_seen = w.first_seen
WHERE q.source = $source AND q.partition = $partition AND q."offset" BETWEEN $low AND $high
ORDER BY q."offset"

-- name: records_of
{quarantine} AS q
LEFT JOIN resolved AS r
    ON q.source = r.source AND q.partition = r.partition AND q."offset" = r."offset" AND q.first_seen = r.first_seen
LEFT JOIN pending AS p
    ON q.source = p.source AND q.partition = p.partition AND q."offset" = p."offset"

-- name: state_of
CASE WHEN p."offset" IS NOT NULL THEN 'replayed' ELSE coalesce(r.action, 'open') END

-- name: causes_of
list_distinct(
    list_transform(q.rules, x -> struct_pack(rule := x.rule, path := regexp_replace(x.path, '\[\d+\]', '[]', 'g')))
)
