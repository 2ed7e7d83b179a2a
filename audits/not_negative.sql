AUDIT (
  name not_negative
);

SELECT
  *
FROM @this_model AS audited
WHERE
  @REDUCE(@EACH(@columns, c -> c < 0), (l, r) -> l OR r)
