"""A grid of small jobs, and what may befall it."""
