"""The console: read-only pages over `lake.inspect`, refreshed by themselves."""
