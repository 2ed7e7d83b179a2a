-- Offsets are counted in words of 60 bits: exact, and as small as the log is dense, however long it is.
-- name: coordinates
WITH records AS (
    SELECT meta.source AS source, meta.partition AS part, meta.offset AS off, TRUE AS is_good FROM {raw}
    UNION ALL
    SELECT source, partition AS part, "offset" AS off, FALSE AS is_good FROM {quarantine}
),
words AS (
    SELECT
        count(*) FILTER (is_good) AS good,
        count(*) AS every,
        bit_count(bit_or(1::BIGINT << (off % 60))) AS different
    FROM records
    GROUP BY source, part, off // 60
)
SELECT
    coalesce(sum(good), 0)::BIGINT AS landed,
    coalesce(sum(every - good), 0)::BIGINT AS quarantined,
    coalesce(sum(every - different), 0)::BIGINT AS duplicates
FROM words

-- name: coordinates_of_good
WITH words AS (
    SELECT count(*) AS every, bit_count(bit_or(1::BIGINT << (meta.offset % 60))) AS different
    FROM {raw}
    GROUP BY meta.source, meta.partition, meta.offset // 60
)
SELECT
    coalesce(sum(every), 0)::BIGINT AS landed,
    0 AS quarantined,
    coalesce(sum(every - different), 0)::BIGINT AS duplicates
FROM words
