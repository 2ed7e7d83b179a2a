"""`lake contract`: describe streams, see what a change means, and deploy it."""

from app.cli.contract.tree import cli

__all__ = ["cli"]
