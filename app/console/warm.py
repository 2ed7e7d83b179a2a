"""Do once what the first visitor would wait for: load the libraries, read the models, read the health."""

from __future__ import annotations


def warm() -> None:
    """Fill what is remembered; a service that is down is remembered as that, for seconds."""
    from app.console.reading import HEALTH

    HEALTH.get()
