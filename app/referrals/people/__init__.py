"""Who is known to a shop, by digests of addresses that nobody can read back."""
