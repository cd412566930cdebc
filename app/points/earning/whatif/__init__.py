"""What the orders of the last days would have earned under a campaign."""
