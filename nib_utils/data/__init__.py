"""Pairs of any data set, read from its files."""
