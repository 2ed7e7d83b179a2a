-- name: create
CREATE TABLE versions (content UHUGEINT);
CREATE TABLE history (key UHUGEINT, content UHUGEINT, number BIGINT, op VARCHAR);
CREATE TABLE latest (key UHUGEINT, content UHUGEINT, number BIGINT);
CREATE TABLE seen (key UHUGEINT);

-- name: remember_versions
INSERT INTO versions SELECT {content} FROM batch

-- name: new_versions
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT min(position) AS position, content
FROM (SELECT position, {content} AS content FROM batch) ANTI JOIN versions USING (content)
GROUP BY content

-- name: keep_new_versions
INSERT INTO versions SELECT content FROM fresh

-- name: positions
SELECT position FROM fresh ORDER BY position

-- name: remember_history
INSERT INTO history
SELECT {key}, {content}, meta.offset, meta.op FROM batch WHERE meta.source = $source

-- name: settle_history
INSERT INTO latest
SELECT key, arg_max(content, number), max(number)
FROM history
GROUP BY key
HAVING arg_max(coalesce(op, ''), number) <> 'delete';
DROP TABLE history;

-- name: changes
CREATE OR REPLACE TEMP TABLE fresh AS
WITH numbered AS (
    SELECT position, {key} AS key, {content} AS content FROM batch
),
beside AS (
    SELECT
        numbered.*,
        coalesce(
            lag(numbered.content) OVER (PARTITION BY numbered.key ORDER BY position), latest.content
        ) AS before,
        row_number() OVER (PARTITION BY numbered.key ORDER BY position DESC) = 1 AS is_last
    FROM numbered
    LEFT JOIN latest ON latest.key = numbered.key
)
SELECT
    position,
    key,
    content,
    is_last,
    CASE WHEN before IS NULL THEN 'insert' ELSE 'update' END AS op
FROM beside
WHERE before IS DISTINCT FROM content

-- name: keep_changes
DELETE FROM latest WHERE key IN (SELECT key FROM fresh);
INSERT INTO latest SELECT key, arg_max(content, position), NULL FROM fresh GROUP BY key

-- name: changed_positions
SELECT position, op FROM fresh ORDER BY position

-- name: note_seen
INSERT INTO seen SELECT {key} FROM batch

-- name: count_latest
SELECT count(*) FROM latest

-- name: count_gone
SELECT count(*) FROM latest ANTI JOIN seen USING (key)

-- name: collect_gone
CREATE OR REPLACE TEMP TABLE gone AS
SELECT number FROM latest ANTI JOIN seen USING (key)

-- name: keys_gone
SELECT {columns} FROM batch JOIN gone ON batch.meta.offset = gone.number
WHERE batch.meta.source = $source
