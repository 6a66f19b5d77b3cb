"""What only notebooks need: figures, and the paper's tables as data."""
