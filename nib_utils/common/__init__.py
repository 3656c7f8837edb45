"""Small things that every room uses: checks, whole files, packages, progress."""
