"""The stand-in store, tested on its own."""
