"""The points service: ledger, lots, rewards and redemptions."""
