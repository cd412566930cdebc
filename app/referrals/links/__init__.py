"""Links of members: made ten an hour a shop, the others when their turn comes."""
