"""The merchant's pages about referrals."""
