"""What keeps a failing part from taking another with it."""
