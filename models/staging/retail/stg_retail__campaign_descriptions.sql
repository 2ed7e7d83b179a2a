MODEL (
  name staging.stg_retail__campaign_descriptions,
  kind VIEW,
  owner retail_analytics,
  grain campaign_id,
  description 'Campaigns with their type and the days on which they ran, newest record per campaign.',
  audits (
    unique_grain(columns := campaign_id),
    not_null(columns := (campaign_type, start_date, end_date)),
    forall(criteria := (
      start_date <= end_date
    )),
    accepted_values("column" := campaign_type, is_in := ('Type A', 'Type B', 'Type C'))
  )
);

WITH records AS (
  SELECT
    *
  FROM lake.raw.campaign_descriptions
), newest AS (
  SELECT
    records.campaign_id,
    records.campaign_type,
    records.start_date,
    records.end_date,
    records.updated_at
  FROM records
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY records.campaign_id
      ORDER BY records.updated_at DESC, records.meta."offset" DESC
    ) = 1
)
SELECT
  newest.campaign_id::BIGINT AS campaign_id, /* Campaign */
  newest.campaign_type::TEXT AS campaign_type, /* Type A (coupons chosen per household), Type B or Type C (same coupons for all) */
  newest.start_date::DATE AS start_date, /* First day of the campaign */
  newest.end_date::DATE AS end_date, /* Last day of the campaign */
  newest.updated_at::TIMESTAMPTZ AS updated_at /* When the source last changed the record */
FROM newest
