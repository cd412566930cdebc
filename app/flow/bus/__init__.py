"""The event bus: facts in order, from whoever tells them to whoever reads them."""
