AUDIT (
  name foreign_key_share,
  defaults (
    max_share = 0
  )
);

SELECT
  matched.unmatched_rows,
  matched.all_rows
FROM (
  SELECT
    COUNT(*) AS all_rows,
    SUM(CASE WHEN known.known_key IS NULL THEN 1 ELSE 0 END) AS unmatched_rows
  FROM @this_model AS audited
  LEFT JOIN (
    SELECT DISTINCT
      @reference_key AS known_key
    FROM @reference
  ) AS known
    ON known.known_key = audited.@foreign_key
) AS matched
WHERE
  matched.unmatched_rows > @max_share * matched.all_rows
