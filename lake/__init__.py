"""lakemesh: land, transform and activate. `lake.read` and `lake.join_as_of` are for notebooks.

Nothing is imported here: every interpreter of the environment passes through this package.
"""

TYPE_CHECKING = False  # importing typing would cost every interpreter 10 ms
if TYPE_CHECKING:
    from lake.notebook import join_as_of, read

__all__ = ["join_as_of", "read"]


def __getattr__(name: str) -> object:
    """Load `lake.notebook` when somebody asks for what it offers (PEP 562)."""
    if name in __all__:
        from lake import notebook  # noqa: PLC0415  see the module's docstring

        return getattr(notebook, name)
    raise AttributeError(f"module 'lake' has no attribute {name!r}")
