"""Invert, study and generate images of a domain that a frozen diffusion model never saw.

Data walks one way: images -> frozen model -> latents -> new latents -> images -> verdicts -> page.
The names below are loaded when first used, so that ``import ood_helpers`` costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
