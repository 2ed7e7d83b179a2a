"""The head office's API: products, demographics, campaigns, coupons, campaign descriptions."""
