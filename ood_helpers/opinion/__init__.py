"""A blinded opinion study: prepare, panel, read, means with intervals, agreement, power."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
