"""The tuning-based paradigm, to compare with: vanilla fine-tuning, DiffusionCLIP and Asyrp."""
