"""The demo from nothing to proof: steps that can be repeated, and the sums that must come out."""
