"""How the widget looks in a shop, and what it says there."""
