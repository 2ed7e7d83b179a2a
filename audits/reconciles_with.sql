AUDIT (
  name reconciles_with,
  defaults (
    source_condition = TRUE
  )
);

SELECT
  here.total AS model_total,
  there.total AS source_total
FROM (
  SELECT
    COALESCE(@measure, 0) AS total
  FROM @this_model AS audited
) AS here
CROSS JOIN (
  SELECT
    COALESCE(@source_measure, 0) AS total
  FROM @source
  WHERE
    @source_condition
) AS there
WHERE
  here.total <> there.total
