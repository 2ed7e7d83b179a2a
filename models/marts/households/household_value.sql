MODEL (
  name analytics.household_value,
  kind FULL,
  owner retail_analytics,
  grain household_id,
  description 'Recency, frequency and monetary value of each household, as of the newest full day. A day is full once a sale of a later day is in the table: the newest full day is the day before the newest sale, and what was bought after it does not count yet. So the table follows from the data alone, whenever it is built.',
  audits (
    unique_grain(columns := household_id),
    not_negative(columns := (recency_days, monetary_value, discount_value)),
    forall(criteria := (frequency >= 1, first_purchase_date <= last_purchase_date)),
    accepted_values("column" := tier, is_in := ('platinum', 'gold', 'silver', 'bronze', 'lapsed')),
    reconciles_with(
      measure := SUM(monetary_value),
      source := intermediate.int_household_activity_daily,
      source_measure := SUM(sales_value),
      source_condition := activity_date < (
        SELECT
          MAX(activity_date)
        FROM intermediate.int_household_activity_daily
      )
    )
  )
);

WITH newest AS (
  SELECT
    CAST(MAX(activity.activity_date) - INTERVAL '1' DAY AS DATE) AS full_day
  FROM intermediate.int_household_activity_daily AS activity
), totals AS (
  SELECT
    activity.household_id,
    newest.full_day,
    MIN(activity.activity_date) AS first_purchase_date,
    MAX(activity.activity_date) AS last_purchase_date,
    SUM(activity.baskets) AS frequency,
    @money_sum(activity.sales_value) AS monetary_value,
    @money_sum(activity.discount_value) AS discount_value
  FROM intermediate.int_household_activity_daily AS activity
  CROSS JOIN newest
  WHERE
    activity.activity_date <= newest.full_day
  GROUP BY
    activity.household_id,
    newest.full_day
), recency AS (
  SELECT
    totals.household_id,
    totals.full_day,
    totals.first_purchase_date,
    totals.last_purchase_date,
    totals.frequency,
    totals.monetary_value,
    totals.discount_value,
    DATE_DIFF('DAY', totals.last_purchase_date, totals.full_day) AS recency_days
  FROM totals
)
SELECT
  recency.household_id::BIGINT AS household_id, /* Household */
  recency.full_day::DATE AS as_of_date, /* Newest full day (UTC); the same in all rows */
  recency.first_purchase_date::DATE AS first_purchase_date, /* Day of the first basket */
  recency.last_purchase_date::DATE AS last_purchase_date, /* Day of the last basket up to as_of_date */
  recency.recency_days::BIGINT AS recency_days, /* Days from the last basket to as_of_date; 0 = bought on that day */
  recency.frequency::BIGINT AS frequency, /* Baskets up to as_of_date */
  recency.monetary_value::DECIMAL(18, 2) AS monetary_value, /* Dollars that the shops received from the household up to as_of_date */
  recency.discount_value::DECIMAL(18, 2) AS discount_value, /* Dollars taken off for the household by card and coupons */
  CASE
    WHEN recency.recency_days > 90
    THEN 'lapsed'
    WHEN recency.monetary_value >= 5000
    THEN 'platinum'
    WHEN recency.monetary_value >= 2500
    THEN 'gold'
    WHEN recency.monetary_value >= 1000
    THEN 'silver'
    ELSE 'bronze'
  END::TEXT AS tier /* lapsed: no basket for more than 90 days; else by monetary value: platinum from 5000, gold from 2500, silver from 1000, bronze below */
FROM recency
