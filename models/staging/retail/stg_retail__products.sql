MODEL (
  name staging.stg_retail__products,
  kind VIEW,
  owner retail_analytics,
  grain product_id,
  description 'Products in their newest state.',
  audits (
    unique_grain(columns := product_id),
    not_null(columns := (department, brand)),
    row_count_between(min_rows := 1)
  )
);

SELECT
  versions.product_id::BIGINT AS product_id, /* Product */
  versions.manufacturer_id::BIGINT AS manufacturer_id, /* Manufacturer */
  versions.department::TEXT AS department, /* Department of the shop */
  versions.brand::TEXT AS brand, /* National or Private (the shop's own) */
  versions.product_category::TEXT AS product_category, /* Category inside the department; missing for some products */
  versions.product_type::TEXT AS product_type, /* Kind of product inside the category; missing for some products */
  versions.package_size::TEXT AS package_size, /* Size as printed on the package, free text; often missing */
  versions.updated_at::TIMESTAMPTZ AS updated_at /* When the source last changed the product */
FROM staging.stg_retail__product_versions AS versions
WHERE
  versions.is_current
