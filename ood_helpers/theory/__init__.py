"""The exact laws behind the paper's lemmas: what closed forms say about latents."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
