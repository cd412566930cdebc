"""Toy: counts the paid orders of each shop. The least a service can be."""
