"""The lake in notebooks and in training code: tables as frames, features joined without leakage."""

from lake.notebook.join import join_as_of
from lake.notebook.read import read

__all__ = ["join_as_of", "read"]
