"""Redpanda Connect: keep the streams of a running instance as `ingest/pipelines/` describes them."""
