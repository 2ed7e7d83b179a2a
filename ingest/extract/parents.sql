-- name: create
CREATE TABLE parents AS SELECT *, meta.offset AS number, meta.op AS op FROM batch WHERE meta.source = $source

-- name: add
INSERT INTO parents SELECT *, meta.offset AS number, meta.op AS op FROM batch WHERE meta.source = $source

-- name: newest
SELECT number, {columns}
FROM (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY number DESC) AS place FROM parents)
WHERE place = 1 AND op IS DISTINCT FROM 'delete' AND number > $after
ORDER BY number
