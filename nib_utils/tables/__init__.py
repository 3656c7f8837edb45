"""Measurements as tables and figures, and how sure they are."""
