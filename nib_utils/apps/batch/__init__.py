"""Notebooks in batch, and what they leave behind."""
