MODEL (
  name staging.stg_retail__demographics,
  kind FULL,
  owner retail_analytics,
  grain household_id,
  description 'What is known of a household, newest record per household. Only about a third of the households have told.',
  audits (
    unique_grain(columns := household_id),
    not_null(columns := (age_band, income_band)),
    accepted_values(
      "column" := age_band,
      is_in := ('19-24', '25-34', '35-44', '45-54', '55-64', '65+')
    ),
    row_count_between(min_rows := 1)
  )
);

WITH records AS (
  SELECT
    *
  FROM lake.raw.demographics
), newest AS (
  SELECT
    records.household_id,
    records.age,
    records.income,
    records.home_ownership,
    records.marital_status,
    records.household_size,
    records.household_comp,
    records.kids_count,
    records.updated_at
  FROM records
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY records.household_id
      ORDER BY records.updated_at DESC, records.meta."offset" DESC
    ) = 1
)
SELECT
  newest.household_id::BIGINT AS household_id, /* Household */
  newest.age::TEXT AS age_band, /* Age of the head of the household, as a band */
  newest.income::TEXT AS income_band, /* Yearly income in dollars, as a band */
  newest.home_ownership::TEXT AS home_ownership, /* Homeowner, Renter, or probably so; missing when not told */
  newest.marital_status::TEXT AS marital_status, /* Married or Unmarried; missing when not told */
  newest.household_size::TEXT AS household_size, /* People in the household; 5+ is the largest value */
  newest.household_comp::TEXT AS household_composition, /* Adults and whether there are children */
  newest.kids_count::TEXT AS kids_count, /* Children in the household; 3+ is the largest value */
  newest.updated_at::TIMESTAMPTZ AS updated_at /* When the source last changed the record */
FROM newest
