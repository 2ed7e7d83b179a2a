MODEL (
  name staging.stg_retail__campaigns,
  kind VIEW,
  owner retail_analytics,
  grain (campaign_id, household_id),
  depends_on (
    staging.stg_retail__campaign_descriptions
  ),
  description 'Which household received which campaign, newest record per pair.',
  audits (
    unique_grain(columns := (campaign_id, household_id)),
    foreign_key_share(
      foreign_key := campaign_id,
      reference := staging.stg_retail__campaign_descriptions,
      reference_key := campaign_id,
      max_share := 0
    )
  )
);

WITH records AS (
  SELECT
    *
  FROM lake.raw.campaigns
), newest AS (
  SELECT
    records.campaign_id,
    records.household_id,
    records.updated_at
  FROM records
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY records.campaign_id, records.household_id
      ORDER BY records.updated_at DESC, records.meta."offset" DESC
    ) = 1
)
SELECT
  newest.campaign_id::BIGINT AS campaign_id, /* Campaign */
  newest.household_id::BIGINT AS household_id, /* Household that received it */
  newest.updated_at::TIMESTAMPTZ AS updated_at /* When the source last changed the record */
FROM newest
