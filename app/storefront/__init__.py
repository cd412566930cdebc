"""The shopper's API, composed of what the services show shoppers."""
