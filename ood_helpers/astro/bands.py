"""From the surface brightness of three bands to a picture, and back.

With ``x_b = flux_b / white_b``, in units of what a band shows as white, and ``f(x) = asinh(x / s) / asinh(1 / s)``:

    per-band   p_b = f(x_b)
    lupton     p_b = x_b f(I) / I,  I = mean x_b              keeps the ratio of the bands (Lupton et al. 2004)

Both have an inverse where nothing is cut off at white, as by ``lupton`` happens to strong colors first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..checks import check_batch, check_choice, check_images, check_number

BANDS = (250.0, 24.0, 4.5)  # wavelengths in micrometers, in the order red, green, blue
KINDS = ("lupton", "per-band")


@dataclass(frozen=True)
class Stretch:
    """How brightness becomes a picture."""

    white: tuple[float, float, float]  # brightness that red, green and blue show as white, in the unit of the maps
    softening: float = 0.05  # below this share of white the stretch is linear, above it logarithmic
    kind: str = "lupton"  # stretch the mean and keep the ratio of the bands, or "per-band": each by itself

    def __post_init__(self):
        check_choice("kind", self.kind, KINDS)
        check_number("softening", self.softening, 0, strict=True)
        if len(self.white) != 3:
            raise ValueError(f"white: got {len(self.white)} numbers, expected one for each of three bands")
        for value in self.white:
            check_number("white", value, 0, strict=True)


def fit_stretch(
    flux: torch.Tensor, *, quantile: float = 0.999, softening: float = 0.05, kind: str = "lupton"
) -> Stretch:
    """Return the `Stretch` that shows a quantile of each band as white.

    Parameters
    ----------
    flux, softening, kind
        As for `to_images` and `Stretch`.
    quantile : float
        In ``(0, 1]``; what lies above is cut off by ``per-band``, and loses brightness but not color by ``lupton``.
    """
    check_number("quantile", quantile, 0, 1, strict=True)
    values = _three("flux", check_batch("flux", flux)).detach().cpu().double().transpose(0, 1).flatten(1).numpy()
    return Stretch(tuple(float(v) for v in np.quantile(values, quantile, axis=1)), softening, kind)


def to_images(flux: torch.Tensor, stretch: Stretch) -> torch.Tensor:
    """Develop maps into pictures.

    Parameters
    ----------
    flux : Tensor
        ``(n, 3, H, W)``, surface brightness at 250, 24 and 4.5 micrometers; what is negative is shown as black.
        TypeError or ValueError if it is no finite floating batch of three bands.
    stretch : Stretch

    Returns
    -------
    Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``, in the dtype of ``flux``. Beyond white ``lupton`` keeps the color.
    """
    x = _three("flux", check_batch("flux", flux)).clamp_min(0) / _white(stretch, flux)
    s, per_band = stretch.softening, stretch.kind == "per-band"
    picture = _bend(x, lambda light: torch.asinh(light / s) / np.arcsinh(1 / s), per_band)
    picture = picture.clamp_max(1) if per_band else picture / picture.amax(1, keepdim=True).clamp_min(1)
    return 2 * picture - 1


def to_flux(images: torch.Tensor, stretch: Stretch) -> torch.Tensor:
    """Measure brightness in pictures: the inverse of `to_images`, where nothing was cut off.

    Parameters
    ----------
    images : Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``; TypeError or ValueError if not.
    stretch : Stretch

    Returns
    -------
    Tensor
        ``(n, 3, H, W)``, surface brightness in the unit of ``stretch.white``.
    """
    picture = (_three("images", check_images("images", images)).clamp(-1, 1) + 1) / 2
    s = stretch.softening
    x = _bend(picture, lambda seen: s * torch.sinh(seen * np.arcsinh(1 / s)), stretch.kind == "per-band")
    return x * _white(stretch, images)


@dataclass(frozen=True)
class StretchLoss:
    """What a picture no longer knows of the maps.

    ``error`` is the median relative error of each band after rounding to 256 gray levels, of the values above a
    thousandth of white in pixels that are not saturated.
    """

    saturated: float  # share of the pixels with a channel at white or beyond
    negative: float  # share of the values below 0, shown as black
    error: tuple[float, float, float]


def stretch_loss(flux: torch.Tensor, stretch: Stretch) -> StretchLoss:
    """Develop maps, round to bytes and measure again: what is lost?  Parameters as for `to_images`."""
    images = to_images(flux, stretch)
    back = to_flux((images * 127.5 + 127.5).round() / 127.5 - 1, stretch)
    full = (images.amax(1, keepdim=True) >= 1).expand_as(flux)
    kept = ~full & (flux > 1e-3 * _white(stretch, flux))
    errors = ((back - flux).abs() / flux.clamp_min(1e-30)).double()
    medians = [float(errors[:, k][kept[:, k]].median()) if kept[:, k].any() else float("nan") for k in range(3)]
    return StretchLoss(float(full[:, 0].float().mean()), float((flux < 0).float().mean()), tuple(medians))


def _bend(x: torch.Tensor, curve: Callable, per_band: bool) -> torch.Tensor:
    """Apply a curve to each band, or to their mean, all bands changing by one factor, 0 where there is no light."""
    if per_band:
        return curve(x)
    mean = x.mean(1, keepdim=True)
    return x * torch.where(mean > 0, curve(mean) / mean.clamp_min(1e-30), torch.zeros_like(mean))


def _white(stretch: Stretch, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(stretch.white, dtype=like.dtype, device=like.device)[:, None, None]


def _three(name: str, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] != 3:
        raise ValueError(f"{name}: got {x.shape[1]} bands, expected three, at {', '.join(map(str, BANDS))} micrometers")
    return x
