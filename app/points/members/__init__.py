"""Who has points."""
