"""What all pages and addresses share."""
