"""Flags: what can be given to a share of the shops, or switched off, without a new release."""
