"""Did it work: numbers with their scale."""
