"""Whether an installation can be relied on: what a team would want to know before a night."""
