"""The HTTP gateway: apps and devices send records, the broker holds them before they hear 202."""
