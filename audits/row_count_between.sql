AUDIT (
  name row_count_between,
  defaults (min_rows = 1, max_rows = 9223372036854775807)
);

SELECT
  counted.row_count
FROM (
  SELECT
    COUNT(*) AS row_count
  FROM @this_model AS audited
) AS counted
WHERE
  NOT counted.row_count BETWEEN @min_rows AND @max_rows
