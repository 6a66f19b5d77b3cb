"""The walk between image and latent."""
