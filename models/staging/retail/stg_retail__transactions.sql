MODEL (
  name staging.stg_retail__transactions,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column sold_date,
    lookback 2
  ),
  owner retail_analytics,
  grain (basket_id, product_id),
  partitioned_by (MONTH(sold_date)),
  description 'Basket lines as the shops sent them, one row per product in a basket. Nothing is dropped: landing delivers each line once, so a repeat is an error that the grain audit reports. Lines of nothing paid and of no quantity are true rows (returns, free goods, coupons).',
  signals (
    landed(stream := transactions, event_time := transaction_timestamp)
  ),
  audits (
    unique_grain(columns := (basket_id, product_id)),
    not_null(columns := (household_id, store_id, sold_at)),
    not_negative(
      columns := (quantity, sales_value, retail_discount, coupon_discount, coupon_match_discount)
    ),
    no_gaps_in_days(day_column := sold_date, max_step := 2, blocking := FALSE)
  )
);

/* The instant lets an engine skip whole months of files; the day is exact on engines that cut instants to milliseconds. */
SELECT
  lines.basket_id::BIGINT AS basket_id, /* Basket (receipt); all its lines share household, store and instant */
  lines.product_id::BIGINT AS product_id, /* Product that was sold */
  lines.household_id::BIGINT AS household_id, /* Household whose loyalty card was shown */
  lines.store_id::BIGINT AS store_id, /* Shop */
  lines.quantity::BIGINT AS quantity, /* Units sold; fuel and weighed goods count small units, so quantities reach tens of thousands */
  lines.sales_value::DECIMAL(12, 2) AS sales_value, /* Dollars that the shop received for the line, discounts already taken off */
  lines.retail_disc::DECIMAL(12, 2) AS retail_discount, /* Dollars taken off by the loyalty card */
  lines.coupon_disc::DECIMAL(12, 2) AS coupon_discount, /* Dollars taken off by a manufacturer coupon */
  lines.coupon_match_disc::DECIMAL(12, 2) AS coupon_match_discount, /* Dollars the shop added to match a coupon */
  lines.week::INT AS retail_week, /* Week of the retail year, 1 to 53; weeks turn early on Monday */
  lines.transaction_timestamp::TIMESTAMPTZ AS sold_at, /* Instant of the sale */
  @utc_day(lines.transaction_timestamp)::DATE AS sold_date /* Day of the sale in UTC */
FROM lake.raw.transactions AS lines
WHERE
  lines.transaction_timestamp BETWEEN @start_dt AND @end_dt
  AND @utc_day(lines.transaction_timestamp) BETWEEN @start_date AND @end_date
