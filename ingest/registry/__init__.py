"""The read side of a schema registry, with the contracts as its only source."""
