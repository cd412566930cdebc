"""Referrals: links of members, friends who take up their offer, and what the advocates get."""
