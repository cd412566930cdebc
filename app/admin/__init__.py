"""The admin pages that compose several services."""
