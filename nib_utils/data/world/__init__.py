"""The drawn world, and how its model is trained."""
