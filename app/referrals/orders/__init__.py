"""Orders of friends: which one counts, and what comes of it."""
