"""What a shop offers to friends and advocates, version by version."""
