"""What the house says about itself: logs, metrics, reports."""
