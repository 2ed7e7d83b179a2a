MODEL (
  name analytics.visits_by_day,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column visited_on,
    lookback 2
  ),
  owner web,
  grain (page, visited_on),
  partitioned_by (MONTH(visited_on)),
  description 'How often each page was opened on each day (UTC). An example; replace it by your own mart.',
  audits (
    unique_combination_of_columns(columns := (page, visited_on)),
    accepted_range("column" := visits, min_v := 1)
  )
);

SELECT
  visits.page::TEXT AS page, /* Path of the page */
  (
    visits.visited_at AT TIME ZONE 'UTC'
  )::DATE AS visited_on, /* Day in UTC */
  COUNT(*)::BIGINT AS visits, /* How often the page was opened */
  COUNT(DISTINCT visits.visitor)::BIGINT AS visitors, /* By how many different visitors */
  SUM(visits.seconds)::BIGINT AS seconds /* How long it stayed open in sum */
FROM lake.raw.visits AS visits
WHERE
  visits.visited_at BETWEEN @start_dt AND @end_dt
GROUP BY
  1,
  2
