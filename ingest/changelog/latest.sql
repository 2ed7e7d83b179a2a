-- The newest row of each key. Within a partition the log's order decides. A key that moved to another
-- partition (their number was changed, or a producer spreads keys otherwise) has a last record in each:
-- there the source's time decides.

-- name: latest
SELECT {columns}
FROM (
  SELECT {columns}, "_op", ROW_NUMBER() OVER (
    PARTITION BY {key} ORDER BY "_moment" DESC NULLS LAST, "_partition" DESC
  ) AS "_nth"
  FROM (
    SELECT {columns}, meta."op" AS "_op", {moment} AS "_moment", meta."partition" AS "_partition",
      ROW_NUMBER() OVER (PARTITION BY {key}, meta."partition" ORDER BY meta."offset" DESC) AS "_last"
    FROM {table}
  ) AS in_partition
  WHERE "_last" = 1
) AS overall
WHERE "_nth" = 1 AND "_op" <> 'delete'
