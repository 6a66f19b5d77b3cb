"""What astronomy needs beside the core: packages that come with the extra ``astro``, imported when first used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def need(module: str) -> ModuleType:
    """Import a module of astropy, photutils or statmorph, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        told = f"{module.partition('.')[0]} is needed for astronomy and cannot be imported ({error})"
        raise ImportError(f"{told}; install it by pip install 'ood-helpers[astro]'") from error
