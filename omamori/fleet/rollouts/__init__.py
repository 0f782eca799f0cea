"""Releases and their rollouts: what is wanted of which units, and what the units say became of it."""
