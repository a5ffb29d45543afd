"""The demonstration captioner: how its captions are made, and how it is trained, exported and judged."""
