MODEL (
  name intermediate.int_basket_lines_enriched,
  kind VIEW,
  owner retail_analytics,
  grain (basket_id, product_id),
  description 'Basket lines with the product as it was when it was sold. A line whose product is not in the catalogue stays, with department, category and brand unknown; a known product without a category is unspecified. A view: nothing is stored twice and a product that arrives late is known at once.',
  audits (
    unique_grain(columns := (basket_id, product_id)),
    reconciles_with(
      measure := COUNT(*),
      source := staging.stg_retail__transactions,
      source_measure := COUNT(*)
    ),
    foreign_key_share(
      foreign_key := product_id,
      reference := staging.stg_retail__product_versions,
      reference_key := product_id,
      max_share := 0.01
    )
  )
);

SELECT
  lines.basket_id::BIGINT AS basket_id, /* Basket (receipt) */
  lines.product_id::BIGINT AS product_id, /* Product that was sold */
  lines.household_id::BIGINT AS household_id, /* Household whose loyalty card was shown */
  lines.store_id::BIGINT AS store_id, /* Shop */
  lines.sold_at::TIMESTAMPTZ AS sold_at, /* Instant of the sale */
  lines.sold_date::DATE AS sold_date, /* Day of the sale in UTC */
  lines.quantity::BIGINT AS quantity, /* Units sold; fuel and weighed goods count small units */
  lines.sales_value::DECIMAL(12, 2) AS sales_value, /* Dollars that the shop received for the line */
  lines.retail_discount::DECIMAL(12, 2) AS retail_discount, /* Dollars taken off by the loyalty card */
  lines.coupon_discount::DECIMAL(12, 2) AS coupon_discount, /* Dollars taken off by a manufacturer coupon */
  lines.coupon_match_discount::DECIMAL(12, 2) AS coupon_match_discount, /* Dollars the shop added to match a coupon */
  CAST(NOT products.product_id IS NULL AS BOOLEAN) AS is_known_product, /* Whether the catalogue has the product */
  COALESCE(products.department, 'unknown')::TEXT AS department, /* Department; unknown when the catalogue lacks the product */
  CASE
    WHEN products.product_id IS NULL
    THEN 'unknown'
    ELSE COALESCE(products.product_category, 'unspecified')
  END::TEXT AS product_category, /* Category; unknown when the catalogue lacks the product, unspecified when the product has none */
  COALESCE(products.brand, 'unknown')::TEXT AS brand /* National, Private or unknown */
FROM staging.stg_retail__transactions AS lines
LEFT JOIN staging.stg_retail__product_versions AS products
  ON products.product_id = lines.product_id
  AND products.valid_from <= lines.sold_at
  AND lines.sold_at < products.valid_to
