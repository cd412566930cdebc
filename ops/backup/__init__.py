"""Backups of Postgres: taken, kept encrypted, proven by restoring them."""
