MODEL (
  name analytics.basket_affinity,
  kind FULL,
  owner retail_analytics,
  grain (category_a, category_b),
  description 'Which categories are bought together, one row per pair that shares at least 20 baskets, category_a before category_b in the alphabet. Lines without a category don''t count. Support, confidence and lift as in market basket analysis (Agrawal, Imielinski and Swami 1993).',
  audits (
    unique_grain(columns := (category_a, category_b)),
    forall(
      criteria := (
        category_a < category_b,
        baskets_together BETWEEN 20 AND LEAST(baskets_with_a, baskets_with_b),
        GREATEST(baskets_with_a, baskets_with_b) <= all_baskets,
        lift > 0
      )
    )
  )
);

WITH contents AS (
  SELECT DISTINCT
    lines.basket_id,
    lines.product_category AS category
  FROM intermediate.int_basket_lines_enriched AS lines
  WHERE
    NOT lines.product_category IN ('unknown', 'unspecified')
), totals AS (
  SELECT
    COUNT(DISTINCT contents.basket_id) AS baskets
  FROM contents
), categories AS (
  SELECT
    contents.category,
    COUNT(*) AS baskets
  FROM contents
  GROUP BY
    contents.category
), pairs AS (
  SELECT
    a.category AS category_a,
    b.category AS category_b,
    COUNT(*) AS baskets
  FROM contents AS a
  INNER JOIN contents AS b
    ON b.basket_id = a.basket_id AND a.category < b.category
  GROUP BY
    a.category,
    b.category
  HAVING
    COUNT(*) >= 20
)
SELECT
  pairs.category_a::TEXT AS category_a, /* First category of the pair */
  pairs.category_b::TEXT AS category_b, /* Second category of the pair */
  pairs.baskets::BIGINT AS baskets_together, /* Baskets with both */
  with_a.baskets::BIGINT AS baskets_with_a, /* Baskets with the first */
  with_b.baskets::BIGINT AS baskets_with_b, /* Baskets with the second */
  totals.baskets::BIGINT AS all_baskets, /* Baskets with any category; the same in all rows */
  @ratio(pairs.baskets, totals.baskets)::DOUBLE AS support, /* Share of all baskets that hold both, 0 to 1 */
  @ratio(pairs.baskets, with_a.baskets)::DOUBLE AS confidence_a_to_b, /* Share of the baskets with the first that also hold the second, 0 to 1 */
  @ratio(pairs.baskets, with_b.baskets)::DOUBLE AS confidence_b_to_a, /* Share of the baskets with the second that also hold the first, 0 to 1 */
  @ratio(pairs.baskets * totals.baskets, with_a.baskets * with_b.baskets)::DOUBLE AS lift /* How many times more often together than if they had nothing to do with each other; 1 = independent */
FROM pairs
INNER JOIN categories AS with_a
  ON with_a.category = pairs.category_a
INNER JOIN categories AS with_b
  ON with_b.category = pairs.category_b
CROSS JOIN totals
