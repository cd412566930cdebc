"""Side-by-side measurements against what a competent team would build from Node's parts."""
