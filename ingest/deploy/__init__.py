"""Bring live tables to new versions of their contracts, without a stop where that is possible."""
