"""What points buy: redemptions and their codes."""
