"""The house: its shape, its rules, and what a further service costs."""
