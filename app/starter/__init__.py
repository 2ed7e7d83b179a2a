"""A project of one's own: the files that `lake init` lays down."""

from app.starter.lay_out import lay_out

__all__ = ["lay_out"]
