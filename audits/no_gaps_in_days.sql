AUDIT (
  name no_gaps_in_days,
  defaults (
    max_step = 1
  )
);

SELECT
  days.previous_day,
  days.this_day
FROM (
  SELECT
    distinct_days.this_day,
    LAG(distinct_days.this_day) OVER (ORDER BY distinct_days.this_day) AS previous_day
  FROM (
    SELECT DISTINCT
      @day_column AS this_day
    FROM @this_model AS audited
  ) AS distinct_days
) AS days
WHERE
  DATE_DIFF('DAY', days.previous_day, days.this_day) > @max_step
