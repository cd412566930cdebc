"""Dashboards: what they show as plain values, and the JSON that Grafana reads."""
