"""Numbers from rows: pure functions. Counts are kept, ratios derived, and what has no samples is None."""
