MODEL (
  name analytics.sales_by_store_day,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column sold_date,
    lookback 2
  ),
  owner retail_analytics,
  grain (store_id, sold_date),
  partitioned_by (MONTH(sold_date)),
  description 'Sales of a shop on a day (UTC), one row per shop and day with at least one basket.',
  audits (
    unique_grain(columns := (store_id, sold_date)),
    not_negative(
      columns := (
        baskets,
        households,
        basket_lines,
        units,
        sales_value,
        retail_discount,
        coupon_discount,
        coupon_match_discount
      )
    ),
    no_gaps_in_days(day_column := sold_date, max_step := 2, blocking := FALSE),
    reconciles_with(
      measure := SUM(sales_value),
      source := staging.stg_retail__transactions,
      source_measure := SUM(sales_value),
      source_condition := sold_date BETWEEN @start_date AND @end_date
    )
  )
);

SELECT
  lines.store_id::BIGINT AS store_id, /* Shop */
  lines.sold_date::DATE AS sold_date, /* Day in UTC */
  COUNT(DISTINCT lines.basket_id)::BIGINT AS baskets, /* Baskets (receipts) */
  COUNT(DISTINCT lines.household_id)::BIGINT AS households, /* Different households that bought */
  COUNT(*)::BIGINT AS basket_lines, /* Lines on the receipts */
  SUM(lines.quantity)::BIGINT AS units, /* Units sold; dominated by fuel where a shop sells it */
  @money_sum(lines.sales_value)::DECIMAL(18, 2) AS sales_value, /* Dollars received */
  @money_sum(lines.retail_discount)::DECIMAL(18, 2) AS retail_discount, /* Dollars taken off by the loyalty card */
  @money_sum(lines.coupon_discount)::DECIMAL(18, 2) AS coupon_discount, /* Dollars taken off by manufacturer coupons */
  @money_sum(lines.coupon_match_discount)::DECIMAL(18, 2) AS coupon_match_discount /* Dollars the shop added to match coupons */
FROM staging.stg_retail__transactions AS lines
WHERE
  lines.sold_date BETWEEN @start_date AND @end_date
GROUP BY
  lines.store_id,
  lines.sold_date
