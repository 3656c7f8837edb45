"""Wrong inputs, each a name and a function of a folder of its own."""
