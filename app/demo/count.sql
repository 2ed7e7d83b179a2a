-- name: coordinates
WITH good AS (
    SELECT meta.source AS source, meta.partition AS part, meta.offset AS off FROM {raw}
),
bad AS (
    SELECT source, partition AS part, "offset" AS off FROM {quarantine}
),
both_kinds AS (
    SELECT source, part, off FROM good
    UNION ALL
    SELECT source, part, off FROM bad
)
SELECT
    (SELECT count(*) FROM good) AS landed,
    (SELECT count(*) FROM bad) AS quarantined,
    count(*) - count(DISTINCT (source, part, off)) AS duplicates
FROM both_kinds

-- name: coordinates_of_good
SELECT
    count(*) AS landed,
    0 AS quarantined,
    count(*) - count(DISTINCT (meta.source, meta.partition, meta.offset)) AS duplicates
FROM {raw}
