"""What gives points: rules, grants, orders."""
