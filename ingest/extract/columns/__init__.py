"""Rows that come as columns: checked without a detour over JSON, which only suspects take."""
