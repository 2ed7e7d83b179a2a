MODEL (
  name analytics.campaign_lift,
  kind FULL,
  owner retail_analytics,
  grain campaign_id,
  description 'What a campaign changed, one row per campaign: households that redeemed one of its coupons against those that received it and redeemed none, before, during and after. Before and after are 28 days each; only days from the first sale in the table to the newest full day count. Redeemers choose themselves, so a lift is no proof of a cause.',
  audits (
    unique_grain(columns := campaign_id),
    not_negative(
      columns := (
        redeemers,
        others,
        days_before,
        days_during,
        days_after,
        redeemer_sales_before,
        redeemer_sales_during,
        redeemer_sales_after,
        other_sales_before,
        other_sales_during,
        other_sales_after
      )
    ),
    reconciles_with(
      measure := SUM(redeemers + others),
      source := staging.stg_retail__campaigns,
      source_measure := COUNT(*)
    )
  )
);

WITH bounds AS (
  SELECT
    COALESCE(MIN(activity.activity_date), '1970-01-01'::DATE) AS first_day,
    COALESCE(MAX(activity.activity_date), '1970-01-01'::DATE) AS open_day
  FROM intermediate.int_household_activity_daily AS activity
), windows AS (
  SELECT
    campaigns.campaign_id,
    campaigns.campaign_type,
    campaigns.start_date,
    campaigns.end_date,
    bounds.first_day,
    bounds.open_day,
    CAST(campaigns.start_date - INTERVAL '28' DAY AS DATE) AS before_from,
    CAST(campaigns.end_date + INTERVAL '1' DAY AS DATE) AS after_from,
    CAST(campaigns.end_date + INTERVAL '29' DAY AS DATE) AS after_until
  FROM staging.stg_retail__campaign_descriptions AS campaigns
  CROSS JOIN bounds
), spans AS (
  SELECT
    windows.campaign_id,
    windows.campaign_type,
    windows.start_date,
    windows.end_date,
    windows.open_day,
    windows.before_from,
    windows.after_from,
    windows.after_until,
    @days_shared(windows.before_from, windows.start_date, windows.first_day, windows.open_day) AS days_before,
    @days_shared(windows.start_date, windows.after_from, windows.first_day, windows.open_day) AS days_during,
    @days_shared(windows.after_from, windows.after_until, windows.first_day, windows.open_day) AS days_after
  FROM windows
), redeemers AS (
  SELECT DISTINCT
    redemptions.campaign_id,
    redemptions.household_id
  FROM staging.stg_retail__coupon_redemptions AS redemptions
), recipients AS (
  SELECT
    sent.campaign_id,
    sent.household_id,
    CASE WHEN redeemers.household_id IS NULL THEN 0 ELSE 1 END AS is_redeemer
  FROM staging.stg_retail__campaigns AS sent
  LEFT JOIN redeemers
    ON redeemers.campaign_id = sent.campaign_id
    AND redeemers.household_id = sent.household_id
), crowds AS (
  SELECT
    recipients.campaign_id,
    SUM(recipients.is_redeemer) AS redeemers,
    SUM(1 - recipients.is_redeemer) AS others
  FROM recipients
  GROUP BY
    recipients.campaign_id
), purchases AS (
  SELECT
    recipients.campaign_id,
    recipients.is_redeemer,
    activity.sales_value,
    CASE
      WHEN activity.activity_date < spans.start_date
      THEN 'before'
      WHEN activity.activity_date < spans.after_from
      THEN 'during'
      ELSE 'after'
    END AS period
  FROM recipients
  INNER JOIN spans
    ON spans.campaign_id = recipients.campaign_id
  INNER JOIN intermediate.int_household_activity_daily AS activity
    ON activity.household_id = recipients.household_id
    AND activity.activity_date >= spans.before_from
    AND activity.activity_date < spans.after_until
    AND activity.activity_date < spans.open_day
), sales AS (
  SELECT
    purchases.campaign_id,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 1 AND purchases.period = 'before'
        THEN purchases.sales_value
      END
    ) AS redeemer_before,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 1 AND purchases.period = 'during'
        THEN purchases.sales_value
      END
    ) AS redeemer_during,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 1 AND purchases.period = 'after'
        THEN purchases.sales_value
      END
    ) AS redeemer_after,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 0 AND purchases.period = 'before'
        THEN purchases.sales_value
      END
    ) AS other_before,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 0 AND purchases.period = 'during'
        THEN purchases.sales_value
      END
    ) AS other_during,
    @money_sum(
      CASE
        WHEN purchases.is_redeemer = 0 AND purchases.period = 'after'
        THEN purchases.sales_value
      END
    ) AS other_after
  FROM purchases
  GROUP BY
    purchases.campaign_id
), facts AS (
  SELECT
    spans.campaign_id,
    spans.campaign_type,
    spans.start_date,
    spans.end_date,
    COALESCE(crowds.redeemers, 0) AS redeemers,
    COALESCE(crowds.others, 0) AS others,
    spans.days_before,
    spans.days_during,
    spans.days_after,
    COALESCE(sales.redeemer_before, 0) AS redeemer_sales_before,
    COALESCE(sales.redeemer_during, 0) AS redeemer_sales_during,
    COALESCE(sales.redeemer_after, 0) AS redeemer_sales_after,
    COALESCE(sales.other_before, 0) AS other_sales_before,
    COALESCE(sales.other_during, 0) AS other_sales_during,
    COALESCE(sales.other_after, 0) AS other_sales_after
  FROM spans
  LEFT JOIN crowds
    ON crowds.campaign_id = spans.campaign_id
  LEFT JOIN sales
    ON sales.campaign_id = spans.campaign_id
), rates AS (
  SELECT
    facts.campaign_id,
    @ratio(facts.redeemer_sales_before, facts.redeemers * facts.days_before) AS redeemer_before,
    @ratio(facts.redeemer_sales_during, facts.redeemers * facts.days_during) AS redeemer_during,
    @ratio(facts.redeemer_sales_after, facts.redeemers * facts.days_after) AS redeemer_after,
    @ratio(facts.other_sales_before, facts.others * facts.days_before) AS other_before,
    @ratio(facts.other_sales_during, facts.others * facts.days_during) AS other_during,
    @ratio(facts.other_sales_after, facts.others * facts.days_after) AS other_after
  FROM facts
)
SELECT
  facts.campaign_id::BIGINT AS campaign_id, /* Campaign */
  facts.campaign_type::TEXT AS campaign_type, /* Type A (coupons chosen per household), Type B or Type C */
  facts.start_date::DATE AS start_date, /* First day of the campaign */
  facts.end_date::DATE AS end_date, /* Last day of the campaign */
  facts.redeemers::BIGINT AS redeemers, /* Households that received it and redeemed at least one of its coupons */
  facts.others::BIGINT AS others, /* Households that received it and redeemed none */
  facts.days_before::BIGINT AS days_before, /* Days with sales known, of the 28 before the first day */
  facts.days_during::BIGINT AS days_during, /* Days with sales known, from the first to the last day */
  facts.days_after::BIGINT AS days_after, /* Days with sales known, of the 28 after the last day */
  facts.redeemer_sales_before::DECIMAL(18, 2) AS redeemer_sales_before, /* Dollars that redeemers spent before */
  facts.redeemer_sales_during::DECIMAL(18, 2) AS redeemer_sales_during, /* Dollars that redeemers spent during */
  facts.redeemer_sales_after::DECIMAL(18, 2) AS redeemer_sales_after, /* Dollars that redeemers spent after */
  facts.other_sales_before::DECIMAL(18, 2) AS other_sales_before, /* Dollars that the others spent before */
  facts.other_sales_during::DECIMAL(18, 2) AS other_sales_during, /* Dollars that the others spent during */
  facts.other_sales_after::DECIMAL(18, 2) AS other_sales_after, /* Dollars that the others spent after */
  (
    (
      rates.redeemer_during - rates.redeemer_before
    ) - (
      rates.other_during - rates.other_before
    )
  )::DOUBLE AS lift_during, /* Dollars per household and day: how much more the redeemers gained from before to during than the others; missing where a window or a group is empty */
  (
    (
      rates.redeemer_after - rates.redeemer_before
    ) - (
      rates.other_after - rates.other_before
    )
  )::DOUBLE AS lift_after /* The same from before to after */
FROM facts
INNER JOIN rates
  ON rates.campaign_id = facts.campaign_id
