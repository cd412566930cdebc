"""Orders whose points are corrected because what was made of their webhooks was wrong."""
