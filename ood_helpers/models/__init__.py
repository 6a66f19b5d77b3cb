"""Where a frozen noise predictor comes from."""
