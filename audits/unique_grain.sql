AUDIT (
  name unique_grain
);

SELECT
  @EACH(@columns, c -> c),
  COUNT(*) AS row_count
FROM @this_model AS audited
GROUP BY
  @EACH(@columns, c -> c)
HAVING
  COUNT(*) > 1 OR @REDUCE(@EACH(@columns, c -> c IS NULL), (l, r) -> l OR r)
