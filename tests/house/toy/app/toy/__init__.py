"""Toy counts the paid orders of each shop: the least a service can be."""
