"""What a programme brings: figures over a range of days, beside those of the range before."""
