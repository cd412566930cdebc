"""Ways to earn besides orders: an account, e-mails, a birthday, networks, actions, friends."""
