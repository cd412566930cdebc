"""The control API: what tests and scripts do to the stand-in store, as JSON."""
