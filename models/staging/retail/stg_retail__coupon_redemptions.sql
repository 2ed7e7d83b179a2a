MODEL (
  name staging.stg_retail__coupon_redemptions,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column redeemed_on,
    lookback 2
  ),
  owner retail_analytics,
  grain redemption_id,
  partitioned_by (MONTH(redeemed_on)),
  description 'Coupons that households redeemed. The source has no key: household, coupon, campaign and day together name one redemption. A household may redeem the same coupon on several days.',
  signals (
    landed(stream := coupon_redemptions, event_time := redemption_date)
  ),
  audits (
    unique_grain(columns := redemption_id),
    not_null(columns := (household_id, coupon_upc, campaign_id, redeemed_on))
  )
);

SELECT
  @surrogate_key(
    redemptions.household_id,
    redemptions.coupon_upc,
    redemptions.campaign_id,
    redemptions.redemption_date
  )::TEXT AS redemption_id, /* Hash of household, coupon, campaign and day */
  redemptions.household_id::BIGINT AS household_id, /* Household that redeemed */
  redemptions.coupon_upc::BIGINT AS coupon_upc, /* Coupon */
  redemptions.campaign_id::BIGINT AS campaign_id, /* Campaign that issued the coupon */
  redemptions.redemption_date::DATE AS redeemed_on /* Day of the redemption; the source knows no time of day */
FROM lake.raw.coupon_redemptions AS redemptions
WHERE
  redemptions.redemption_date BETWEEN @start_date AND @end_date
