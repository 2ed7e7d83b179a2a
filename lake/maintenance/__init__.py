"""Care for tables: the ten-thousandth commit costs what the tenth did, and no reader sees a difference."""
