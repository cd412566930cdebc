"""A release that some shops have first, and that goes back by itself when it does them harm."""
