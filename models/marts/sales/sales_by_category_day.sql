MODEL (
  name analytics.sales_by_category_day,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column sold_date,
    lookback 2
  ),
  owner retail_analytics,
  grain (department, product_category, sold_date),
  partitioned_by (MONTH(sold_date)),
  description 'Sales of a category on a day (UTC), one row per department, category and day with at least one line. A sale counts for the category its product had when it was sold. Products missing from the catalogue are the category unknown of the department unknown.',
  audits (
    unique_grain(columns := (department, product_category, sold_date)),
    not_negative(columns := (baskets, basket_lines, units, sales_value, discount_value)),
    reconciles_with(
      measure := SUM(sales_value),
      source := intermediate.int_basket_lines_enriched,
      source_measure := SUM(sales_value),
      source_condition := sold_date BETWEEN @start_date AND @end_date
    )
  )
);

SELECT
  lines.department::TEXT AS department, /* Department of the shop, or unknown */
  lines.product_category::TEXT AS product_category, /* Category inside the department, unknown or unspecified */
  lines.sold_date::DATE AS sold_date, /* Day in UTC */
  COUNT(DISTINCT lines.basket_id)::BIGINT AS baskets, /* Baskets with at least one line of the category; doesn't add up over categories */
  COUNT(*)::BIGINT AS basket_lines, /* Lines on receipts */
  SUM(lines.quantity)::BIGINT AS units, /* Units sold; fuel and weighed goods count small units */
  @money_sum(lines.sales_value)::DECIMAL(18, 2) AS sales_value, /* Dollars received */
  @money_sum(lines.retail_discount + lines.coupon_discount + lines.coupon_match_discount)::DECIMAL(18, 2) AS discount_value /* Dollars taken off by card and coupons */
FROM intermediate.int_basket_lines_enriched AS lines
WHERE
  lines.sold_date BETWEEN @start_date AND @end_date
GROUP BY
  lines.department,
  lines.product_category,
  lines.sold_date
