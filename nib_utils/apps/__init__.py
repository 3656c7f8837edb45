"""The ways in: the command line, one picture explained, notebooks in batch."""
