"""One file a process, wiring only."""
