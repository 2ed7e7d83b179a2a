MODEL (
  name analytics.promotion_effect,
  kind FULL,
  owner retail_analytics,
  grain (display_location, mailer_location, department, product_category),
  description 'What promoting products in a place sold more, one row per place in shop and mailer and category. Compared are weeks in which a shop promoted a product there with weeks in which the same shop did not promote the same product at all: expected is what it sold in an average one of those. Only weeks count in which the shop sold anything and that a later sale has closed. A promotion is planned for weeks that sell well anyway, so an uplift is no proof of a cause.',
  audits (
    unique_grain(columns := (display_location, mailer_location, department, product_category)),
    not_negative(
      columns := (
        promotions,
        compared_weeks,
        units,
        expected_units,
        sales_value,
        expected_sales_value
      )
    ),
    forall(criteria := (
      compared_weeks <= promotions
    )),
    reconciles_with(
      measure := SUM(promotions),
      source := staging.stg_retail__promotions,
      source_measure := COUNT(*)
    )
  )
);

WITH newest AS (
  SELECT
    COALESCE(MAX(lines.retail_week), 0) AS open_week
  FROM staging.stg_retail__transactions AS lines
), sold AS (
  SELECT
    lines.product_id,
    lines.store_id,
    lines.retail_week,
    SUM(lines.quantity) AS units,
    @money_sum(lines.sales_value) AS sales_value
  FROM staging.stg_retail__transactions AS lines
  CROSS JOIN newest
  WHERE
    lines.retail_week < newest.open_week
    AND lines.product_id IN (
      SELECT
        promotions.product_id
      FROM staging.stg_retail__promotions AS promotions
    )
  GROUP BY
    lines.product_id,
    lines.store_id,
    lines.retail_week
), weeks AS (
  SELECT DISTINCT
    lines.store_id,
    lines.retail_week
  FROM staging.stg_retail__transactions AS lines
  CROSS JOIN newest
  WHERE
    lines.retail_week < newest.open_week
), shops AS (
  SELECT
    weeks.store_id,
    COUNT(*) AS weeks
  FROM weeks
  GROUP BY
    weeks.store_id
), pairs AS (
  SELECT
    sold.product_id,
    sold.store_id,
    SUM(sold.units) AS units,
    @money_sum(sold.sales_value) AS sales_value
  FROM sold
  GROUP BY
    sold.product_id,
    sold.store_id
), offers AS (
  /* A product that a shop never sold has no sales on either side: leaving it out changes no sum. */
  SELECT
    promotions.product_id,
    promotions.store_id,
    promotions.retail_week,
    promotions.display_location,
    promotions.mailer_location
  FROM staging.stg_retail__promotions AS promotions
  INNER JOIN pairs
    ON pairs.product_id = promotions.product_id AND pairs.store_id = promotions.store_id
  INNER JOIN weeks
    ON weeks.store_id = promotions.store_id
    AND weeks.retail_week = promotions.retail_week
), promoted AS (
  SELECT DISTINCT
    offers.product_id,
    offers.store_id,
    offers.retail_week
  FROM offers
), promoted_sales AS (
  SELECT
    promoted.product_id,
    promoted.store_id,
    COUNT(*) AS weeks,
    COALESCE(SUM(sold.units), 0) AS units,
    @money_sum(sold.sales_value) AS sales_value
  FROM promoted
  LEFT JOIN sold
    ON sold.product_id = promoted.product_id
    AND sold.store_id = promoted.store_id
    AND sold.retail_week = promoted.retail_week
  GROUP BY
    promoted.product_id,
    promoted.store_id
), bases AS (
  SELECT
    pairs.product_id,
    pairs.store_id,
    shops.weeks - promoted_sales.weeks AS weeks,
    pairs.units - promoted_sales.units AS units,
    CAST((
      pairs.sales_value - promoted_sales.sales_value
    ) * 100 AS BIGINT) AS cents
  FROM promoted_sales
  INNER JOIN pairs
    ON pairs.product_id = promoted_sales.product_id
    AND pairs.store_id = promoted_sales.store_id
  INNER JOIN shops
    ON shops.store_id = promoted_sales.store_id
  WHERE
    shops.weeks > promoted_sales.weeks
), compared AS (
  SELECT
    offers.display_location,
    offers.mailer_location,
    offers.product_id,
    offers.store_id,
    COUNT(*) AS weeks,
    COALESCE(SUM(sold.units), 0) AS units,
    @money_sum(sold.sales_value) AS sales_value
  FROM offers
  LEFT JOIN sold
    ON sold.product_id = offers.product_id
    AND sold.store_id = offers.store_id
    AND sold.retail_week = offers.retail_week
  GROUP BY
    offers.display_location,
    offers.mailer_location,
    offers.product_id,
    offers.store_id
), effects AS (
  SELECT
    compared.display_location,
    compared.mailer_location,
    compared.product_id,
    SUM(compared.weeks) AS weeks,
    SUM(compared.units) AS units,
    @money_sum(compared.sales_value) AS sales_value,
    SUM(@whole_ratio(compared.weeks * bases.units * 1000000, bases.weeks)) AS expected_micro_units,
    SUM(@whole_ratio(compared.weeks * bases.cents * 10000, bases.weeks)) AS expected_micro_dollars
  FROM compared
  INNER JOIN bases
    ON bases.product_id = compared.product_id AND bases.store_id = compared.store_id
  GROUP BY
    compared.display_location,
    compared.mailer_location,
    compared.product_id
), plans AS (
  SELECT
    promotions.display_location,
    promotions.mailer_location,
    promotions.product_id,
    COUNT(*) AS promotions
  FROM staging.stg_retail__promotions AS promotions
  GROUP BY
    promotions.display_location,
    promotions.mailer_location,
    promotions.product_id
), placed AS (
  SELECT
    plans.display_location,
    plans.mailer_location,
    COALESCE(products.department, 'unknown') AS department,
    CASE
      WHEN products.product_id IS NULL
      THEN 'unknown'
      ELSE COALESCE(products.product_category, 'unspecified')
    END AS product_category,
    plans.promotions,
    effects.weeks,
    effects.units,
    effects.sales_value,
    effects.expected_micro_units,
    effects.expected_micro_dollars
  FROM plans
  LEFT JOIN effects
    ON effects.display_location = plans.display_location
    AND effects.mailer_location = plans.mailer_location
    AND effects.product_id = plans.product_id
  LEFT JOIN staging.stg_retail__products AS products
    ON products.product_id = plans.product_id
), facts AS (
  SELECT
    placed.display_location,
    placed.mailer_location,
    placed.department,
    placed.product_category,
    COUNT(*) AS products,
    SUM(placed.promotions) AS promotions,
    COALESCE(SUM(placed.weeks), 0) AS weeks,
    COALESCE(SUM(placed.units), 0) AS units,
    @money_sum(placed.sales_value) AS sales_value,
    COALESCE(SUM(placed.expected_micro_units), 0) AS expected_micro_units,
    COALESCE(SUM(placed.expected_micro_dollars), 0) AS expected_micro_dollars
  FROM placed
  GROUP BY
    placed.display_location,
    placed.mailer_location,
    placed.department,
    placed.product_category
)
SELECT
  facts.display_location::TEXT AS display_location, /* Place in the shop: 0 none, 1 store front, 2 store rear, 3 front end cap, 4 mid-aisle end cap, 5 rear end cap, 6 side-aisle end cap, 7 in aisle, 9 secondary location, A in shelf */
  facts.mailer_location::TEXT AS mailer_location, /* Place in the mailer: 0 none, A interior page feature, C interior page line item, D front page feature, F back page feature, H wrap front feature, J wrap interior coupon, L wrap back feature, P interior page coupon, X free on interior page, Z free on front page, back page or wrap */
  facts.department::TEXT AS department, /* Department; unknown when the catalogue lacks the product */
  facts.product_category::TEXT AS product_category, /* Category; unknown when the catalogue lacks the product, unspecified when the product has none */
  facts.products::BIGINT AS products, /* Different products promoted there */
  facts.promotions::BIGINT AS promotions, /* Weeks of a product in a shop that were planned there */
  facts.weeks::BIGINT AS compared_weeks, /* Those of them with a comparison: the shop sold anything in that week, it sold the product in some week, and it did not promote it in another */
  facts.units::BIGINT AS units, /* Units sold in the compared weeks */
  @ratio(facts.expected_micro_units, 1000000)::DOUBLE AS expected_units, /* Units that the same products sold in the same shops in as many average weeks without a promotion */
  @ratio(facts.units * 1000000, facts.expected_micro_units)::DOUBLE AS units_ratio, /* units over expected_units: 1 = no effect, 2 = twice as many; missing when nothing was expected */
  facts.sales_value::DECIMAL(18, 2) AS sales_value, /* Dollars received in the compared weeks */
  @ratio(facts.expected_micro_dollars, 1000000)::DOUBLE AS expected_sales_value, /* Dollars that the same products brought in as many average weeks without a promotion */
  @ratio(CAST(facts.sales_value * 100 AS BIGINT) * 10000, facts.expected_micro_dollars)::DOUBLE AS sales_ratio /* sales_value over expected_sales_value */
FROM facts
