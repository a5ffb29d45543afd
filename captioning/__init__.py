"""What to say: prompts, captioners behind a server, parsing and checking, and where every caption comes from."""
