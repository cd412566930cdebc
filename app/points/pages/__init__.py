"""The merchant's pages about points."""
