"""The same study over many processes and machines, without a notebook."""
