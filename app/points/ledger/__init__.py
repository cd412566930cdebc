"""Points as money: movements, lots, balances, expiry, audit."""
