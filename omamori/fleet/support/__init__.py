"""Helpers on units: what the fleet asked for, what units said became of it, what customers refuse (decision 0029)."""
