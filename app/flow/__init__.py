"""The one-way road from a webhook to a service; it knows no service."""
