"""Runs the whole of Holdfast on one machine."""
