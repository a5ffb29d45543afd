"""The demo pool: real pictures and words from packages, served on loopback with the faults of the real web."""
