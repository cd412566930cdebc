"""Shipping for nothing."""

from app.points.rewards.kinds import codes

SETTLES_SECONDS = codes.SETTLES_SECONDS
send, find, take_back = codes.shipping, codes.find, codes.take_back
