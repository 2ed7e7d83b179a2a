MODEL (
  name staging.stg_retail__coupons,
  kind FULL,
  owner retail_analytics,
  grain (coupon_upc, product_id, campaign_id),
  depends_on (
    staging.stg_retail__products
  ),
  description 'Products that a coupon of a campaign is good for, newest record per coupon, product and campaign. A handful of products are not in the catalogue.',
  audits (
    unique_grain(columns := (coupon_upc, product_id, campaign_id)),
    foreign_key_share(
      foreign_key := product_id,
      reference := staging.stg_retail__products,
      reference_key := product_id,
      max_share := 0.01
    ),
    row_count_between(min_rows := 1)
  )
);

WITH records AS (
  SELECT
    *
  FROM lake.raw.coupons
), newest AS (
  SELECT
    records.coupon_upc,
    records.product_id,
    records.campaign_id,
    records.updated_at
  FROM records
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY records.coupon_upc, records.product_id, records.campaign_id
      ORDER BY records.updated_at DESC, records.meta."offset" DESC
    ) = 1
)
SELECT
  newest.coupon_upc::BIGINT AS coupon_upc, /* Coupon */
  newest.product_id::BIGINT AS product_id, /* Product that the coupon is good for */
  newest.campaign_id::BIGINT AS campaign_id, /* Campaign that issues the coupon */
  newest.updated_at::TIMESTAMPTZ AS updated_at /* When the source last changed the record */
FROM newest
