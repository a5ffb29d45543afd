"""What to keep: intake, download, language, matching, balance, scores, duplicates, select."""
