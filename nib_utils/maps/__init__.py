"""Scores made into maps, and maps into pictures."""
