"""Ways to earn besides orders."""
