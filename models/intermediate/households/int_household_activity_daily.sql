MODEL (
  name intermediate.int_household_activity_daily,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column activity_date,
    lookback 2
  ),
  owner retail_analytics,
  grain (household_id, activity_date),
  partitioned_by (MONTH(activity_date)),
  description 'What a household bought on a day (UTC), one row per household and day with at least one basket. A basket lies within one day, so baskets add up over days.',
  audits (
    unique_grain(columns := (household_id, activity_date)),
    not_negative(columns := (baskets, basket_lines, sales_value, discount_value)),
    reconciles_with(
      measure := SUM(sales_value),
      source := staging.stg_retail__transactions,
      source_measure := SUM(sales_value),
      source_condition := sold_date BETWEEN @start_date AND @end_date
    )
  )
);

SELECT
  lines.household_id::BIGINT AS household_id, /* Household */
  lines.sold_date::DATE AS activity_date, /* Day in UTC */
  COUNT(DISTINCT lines.basket_id)::BIGINT AS baskets, /* Baskets (receipts) of the day */
  COUNT(*)::BIGINT AS basket_lines, /* Lines on those receipts */
  @money_sum(lines.sales_value)::DECIMAL(18, 2) AS sales_value, /* Dollars that the shops received */
  @money_sum(lines.retail_discount + lines.coupon_discount + lines.coupon_match_discount)::DECIMAL(18, 2) AS discount_value /* Dollars taken off by card and coupons */
FROM staging.stg_retail__transactions AS lines
WHERE
  lines.sold_date BETWEEN @start_date AND @end_date
GROUP BY
  lines.household_id,
  lines.sold_date
