MODEL (
  name activation.household_value_tiers,
  kind VIEW,
  owner retail_analytics,
  grain external_id,
  description 'What the CRM is told of a household. Only columns that change when the household does: nothing here counts days, so a quiet household causes no delivery.',
  audits (
    unique_grain(columns := external_id),
    not_null(
      columns := (tier, monetary_value, frequency, first_purchase_date, last_purchase_date)
    ),
    accepted_values("column" := tier, is_in := ('platinum', 'gold', 'silver', 'bronze', 'lapsed')),
    reconciles_with(measure := COUNT(*), source := analytics.household_value, source_measure := COUNT(*))
  )
);

SELECT
  households.household_id::TEXT AS external_id, /* Household as text: the key in the CRM */
  households.tier::TEXT AS tier, /* platinum, gold, silver, bronze or lapsed */
  households.monetary_value::DECIMAL(18, 2) AS monetary_value, /* Dollars received from the household */
  households.frequency::BIGINT AS frequency, /* Baskets of the household */
  households.first_purchase_date::DATE AS first_purchase_date, /* Day of the first basket (UTC) */
  households.last_purchase_date::DATE AS last_purchase_date /* Day of the last basket (UTC) */
FROM analytics.household_value AS households
