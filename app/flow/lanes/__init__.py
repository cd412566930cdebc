"""Merchants' lanes: from an admitted webhook to facts."""
