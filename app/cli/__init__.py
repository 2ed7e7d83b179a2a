"""The `lake` command: a thin face of the services."""
