"""`python -m tests.operate.newer_points`: points of a release that knows what a canary tells of
campaigns in a newer shape.
"""

from app.facts import UPCASTS
from workers import points, service

UPCASTS["campaign.updated", 1] = lambda data: data

if __name__ == "__main__":
    service.start("points", points.work)
