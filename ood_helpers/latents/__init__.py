"""What a walk leaves behind: latents on disk, and where they lie."""
