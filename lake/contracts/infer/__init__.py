"""A first contract from a sample: what its values prove, and marks where a person has to decide."""

from lake.contracts.infer.columns import Guess, guess_columns
from lake.contracts.infer.document import Origin, write_contract

__all__ = ["Guess", "Origin", "guess_columns", "write_contract"]
