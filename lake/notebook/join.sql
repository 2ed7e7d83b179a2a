-- The newest feature of each label's key that was known at the label's moment.
SELECT {labels}{features}
FROM labels AS l
ASOF LEFT JOIN features AS f ON {keys} AND l.{moment} {compare} f.{moment}
ORDER BY l.{row}
