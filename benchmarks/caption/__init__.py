"""The caption stage against the server that it keeps busy, and against other clients of that server."""
