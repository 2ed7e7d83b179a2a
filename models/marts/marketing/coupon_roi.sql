MODEL (
  name analytics.coupon_roi,
  kind FULL,
  owner retail_analytics,
  grain (campaign_id, coupon_upc),
  description 'What a coupon of a campaign brought, one row per coupon and campaign, redeemed or not. A redemption carries no basket: its lines are those of the household with a product of the coupon on the day of the redemption or the day after (shops close after midnight UTC). A line that several redemptions could claim counts once, for the coupon with the fewest products.',
  audits (
    unique_grain(columns := (campaign_id, coupon_upc)),
    not_negative(
      columns := (products, redemptions, households, basket_lines, sales_value, discount_value)
    ),
    reconciles_with(
      measure := SUM(products),
      source := staging.stg_retail__coupons,
      source_measure := COUNT(*)
    )
  )
);

WITH coupons AS (
  SELECT
    offers.campaign_id,
    offers.coupon_upc,
    COUNT(*) AS products
  FROM staging.stg_retail__coupons AS offers
  GROUP BY
    offers.campaign_id,
    offers.coupon_upc
), uses AS (
  SELECT
    redemptions.campaign_id,
    redemptions.coupon_upc,
    COUNT(*) AS redemptions,
    COUNT(DISTINCT redemptions.household_id) AS households
  FROM staging.stg_retail__coupon_redemptions AS redemptions
  GROUP BY
    redemptions.campaign_id,
    redemptions.coupon_upc
), claims AS (
  SELECT
    redemptions.campaign_id,
    redemptions.coupon_upc,
    lines.basket_id,
    lines.product_id,
    lines.sales_value,
    lines.coupon_discount + lines.coupon_match_discount AS discount_value,
    ROW_NUMBER() OVER (
      PARTITION BY lines.basket_id, lines.product_id
      ORDER BY coupons.products, redemptions.coupon_upc, redemptions.campaign_id, redemptions.redeemed_on
    ) AS place
  FROM staging.stg_retail__coupon_redemptions AS redemptions
  INNER JOIN coupons
    ON coupons.campaign_id = redemptions.campaign_id
    AND coupons.coupon_upc = redemptions.coupon_upc
  INNER JOIN staging.stg_retail__coupons AS offers
    ON offers.campaign_id = redemptions.campaign_id
    AND offers.coupon_upc = redemptions.coupon_upc
  INNER JOIN staging.stg_retail__transactions AS lines
    ON lines.household_id = redemptions.household_id
    AND lines.product_id = offers.product_id
    AND lines.sold_date BETWEEN redemptions.redeemed_on AND CAST(redemptions.redeemed_on + INTERVAL '1' DAY AS DATE)
), sales AS (
  SELECT
    claims.campaign_id,
    claims.coupon_upc,
    COUNT(*) AS basket_lines,
    @money_sum(claims.sales_value) AS sales_value,
    @money_sum(claims.discount_value) AS discount_value
  FROM claims
  WHERE
    claims.place = 1
  GROUP BY
    claims.campaign_id,
    claims.coupon_upc
), facts AS (
  SELECT
    coupons.campaign_id,
    coupons.coupon_upc,
    coupons.products,
    COALESCE(uses.redemptions, 0) AS redemptions,
    COALESCE(uses.households, 0) AS households,
    COALESCE(sales.basket_lines, 0) AS basket_lines,
    COALESCE(sales.sales_value, 0) AS sales_value,
    COALESCE(sales.discount_value, 0) AS discount_value
  FROM coupons
  LEFT JOIN uses
    ON uses.campaign_id = coupons.campaign_id AND uses.coupon_upc = coupons.coupon_upc
  LEFT JOIN sales
    ON sales.campaign_id = coupons.campaign_id AND sales.coupon_upc = coupons.coupon_upc
)
SELECT
  facts.campaign_id::BIGINT AS campaign_id, /* Campaign that issued the coupon */
  facts.coupon_upc::BIGINT AS coupon_upc, /* Coupon */
  facts.products::BIGINT AS products, /* Products that the coupon is good for */
  facts.redemptions::BIGINT AS redemptions, /* Redemptions, one per household and day */
  facts.households::BIGINT AS households, /* Different households that redeemed */
  facts.basket_lines::BIGINT AS basket_lines, /* Lines on receipts that the redemptions explain */
  facts.sales_value::DECIMAL(18, 2) AS sales_value, /* Dollars that the shops received for those lines */
  facts.discount_value::DECIMAL(18, 2) AS discount_value, /* Dollars that coupons took off those lines, the manufacturer's and the shop's part */
  @ratio(facts.sales_value, facts.discount_value)::DOUBLE AS sales_per_discount_dollar /* Dollars received for each dollar taken off; missing while nothing was taken off */
FROM facts
