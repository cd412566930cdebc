"""Webhooks as they came, kept for a while: so that what was made of them can be mended."""
