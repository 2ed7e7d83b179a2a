"""Call a decoder written in Rust and take its word that bytes are no records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def refused(decode: Callable[[], Any]) -> Any:
    """Return what `decode` gives; None when it refuses its bytes, by an error or by a panic.

    A panic on damaged bytes (a length of 2^64 - 1, for example) reaches Python as a BaseException of a
    class that nothing exports. It leaves no state behind: these decoders build each batch from nothing.
    """
    try:
        return decode()
    except (ValueError, OverflowError):
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None
