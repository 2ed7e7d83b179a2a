MODEL (
  name staging.stg_retail__promotions,
  kind VIEW,
  owner retail_analytics,
  grain (product_id, store_id, retail_week, display_location, mailer_location),
  description 'Places in which a shop promoted a product in a week of the retail year. Empty until promotions have landed. A view: 20.9 million rows are not stored twice.',
  audits (
    unique_grain(
      columns := (product_id, store_id, retail_week, display_location, mailer_location)
    ),
    forall(
      criteria := (retail_week BETWEEN 1 AND 53, display_location <> '0' OR mailer_location <> '0')
    )
  )
);

SELECT
  promotions.product_id::BIGINT AS product_id, /* Product that was promoted */
  promotions.store_id::BIGINT AS store_id, /* Shop */
  promotions.week::INT AS retail_week, /* Week of the retail year, 1 to 53, as on receipts */
  promotions.display_location::TEXT AS display_location, /* Place in the shop: 0 none, 1 store front, 2 store rear, 3 front end cap, 4 mid-aisle end cap, 5 rear end cap, 6 side-aisle end cap, 7 in aisle, 9 secondary location, A in shelf */
  promotions.mailer_location::TEXT AS mailer_location /* Place in the mailer: 0 none, A interior page feature, C interior page line item, D front page feature, F back page feature, H wrap front feature, J wrap interior coupon, L wrap back feature, P interior page coupon, X free on interior page, Z free on front page, back page or wrap */
FROM lake.raw.promotions AS promotions
