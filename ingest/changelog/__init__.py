"""Streams whose records change rows: what each record does to which key, and the view of what is left."""

from ingest.changelog.check import ChangelogCheck, envelope_fields
from ingest.changelog.view import latest_name, put_latest_view

__all__ = ["ChangelogCheck", "envelope_fields", "latest_name", "put_latest_view"]
