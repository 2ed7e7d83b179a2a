"""Resources of dlt as generators of records, landed by our own commits."""
