"""What a map is worth: measured on the maps that are given."""
