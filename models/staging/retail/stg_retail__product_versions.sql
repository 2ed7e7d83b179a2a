MODEL (
  name staging.stg_retail__product_versions,
  kind FULL,
  owner retail_analytics,
  grain (product_id, valid_from),
  description 'Every state a product has had, with the time span in which it held, so that a sale keeps the category it was made under whenever a model is built. Records of one product with the same update time are repeats: the one landed last counts.',
  audits (
    unique_grain(columns := (product_id, valid_from)),
    forall(criteria := (
      valid_from < valid_to
    )),
    row_count_between(min_rows := 1)
  )
);

WITH records AS (
  SELECT
    *
  FROM lake.raw.products
), versions AS (
  SELECT
    records.product_id,
    records.manufacturer_id,
    records.department,
    records.brand,
    records.product_category,
    records.product_type,
    records.package_size,
    records.updated_at
  FROM records
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY records.product_id, records.updated_at
      ORDER BY records.meta."offset" DESC
    ) = 1
), spans AS (
  SELECT
    versions.product_id,
    versions.manufacturer_id,
    versions.department,
    versions.brand,
    versions.product_category,
    versions.product_type,
    versions.package_size,
    versions.updated_at,
    LAG(versions.updated_at) OVER (PARTITION BY versions.product_id ORDER BY versions.updated_at) AS previous_update,
    LEAD(versions.updated_at) OVER (PARTITION BY versions.product_id ORDER BY versions.updated_at) AS next_update
  FROM versions
)
SELECT
  spans.product_id::BIGINT AS product_id, /* Product */
  spans.manufacturer_id::BIGINT AS manufacturer_id, /* Manufacturer */
  spans.department::TEXT AS department, /* Department of the shop */
  spans.brand::TEXT AS brand, /* National or Private (the shop's own) */
  spans.product_category::TEXT AS product_category, /* Category inside the department; missing for some products */
  spans.product_type::TEXT AS product_type, /* Kind of product inside the category; missing for some products */
  spans.package_size::TEXT AS package_size, /* Size as printed on the package, free text; often missing */
  spans.updated_at::TIMESTAMPTZ AS updated_at, /* When the source changed the product to this state */
  CASE
    WHEN spans.previous_update IS NULL
    THEN '1970-01-01 00:00:00+00:00'::TIMESTAMPTZ
    ELSE spans.updated_at
  END::TIMESTAMPTZ AS valid_from, /* First instant of the state; the oldest known state also covers everything before it (1970) */
  COALESCE(spans.next_update, '9999-12-31 00:00:00+00:00'::TIMESTAMPTZ)::TIMESTAMPTZ AS valid_to, /* First instant after the state; 9999-12-31 for the present one */
  CAST(spans.next_update IS NULL AS BOOLEAN) AS is_current /* Whether this is the newest state */
FROM spans
