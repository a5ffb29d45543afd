"""Planted faults of captions: what is planted, what the checks find, and how good that is."""
