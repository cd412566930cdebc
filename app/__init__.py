"""Holdfast: a loyalty app for Shopify merchants."""

import gc

# An import makes tens of thousands of objects that all stay, a batch as many that die young:
# Python's defaults would walk the whole program for them again and again (measured: a sixth of the
# start of each process, a quarter of the time of the points worker).
gc.set_threshold(50_000, 20, 50)
