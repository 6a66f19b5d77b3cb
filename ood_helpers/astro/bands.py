"""From the surface brightness of three bands to a picture, and back.

The paper's radiation fields are maps of dust emission at 250, 24 and 4.5 micrometers, shown as red, green and blue
(Appendix E.1). Brightness spans decades, so it is stretched by an inverse hyperbolic sine, in units of the brightness
that a band shows as white, ``x_b = flux_b / white_b``:

    per-band   p_b = f(x_b),                     f(x) = asinh(x / s) / asinh(1 / s)
    lupton     p_b = x_b f(I) / I,  I = mean x_b                        Lupton et al. 2004: keeps the ratio of the bands

Both have an inverse where no channel is cut off at black or white. By ``lupton`` that happens to strong colors first: a
pixel that is bright in one band alone is three times as bright there as on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..checks import check_batch, check_choice, check_images, check_number

BANDS = (250.0, 24.0, 4.5)
"""Wavelengths in micrometers, in the order red, green, blue."""

KINDS = ("lupton", "per-band")


@dataclass(frozen=True)
class Stretch:
    """How brightness becomes a picture.

    Attributes
    ----------
    white : tuple of float
        Brightness that red, green and blue show as white, in the unit of the maps, such as MJy/sr.
    softening : float
        Below this share of white the stretch is linear, above it logarithmic.
    kind : {"lupton", "per-band"}
        Stretch the mean brightness and keep the ratio of the bands, or stretch each band by itself.
    """

    white: tuple[float, float, float]
    softening: float = 0.05
    kind: str = "lupton"

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
    flux : Tensor
        ``(n, 3, H, W)``, surface brightness.
    quantile : float
        In ``(0, 1]``; what lies above is cut off by ``per-band``, and loses brightness but not color by ``lupton``.
    softening, kind
        As in `Stretch`.
    """
    check_number("quantile", quantile, 0, 1, strict=True)
    values = _three("flux", check_batch("flux", flux)).double().transpose(0, 1).flatten(1).numpy()
    return Stretch(tuple(float(v) for v in np.quantile(values, quantile, axis=1)), softening, kind)


def to_images(flux: torch.Tensor, stretch: Stretch) -> torch.Tensor:
    """Develop maps into pictures.

    Parameters
    ----------
    flux : Tensor
        ``(n, 3, H, W)``, surface brightness at 250, 24 and 4.5 micrometers; what is negative is shown as black.
    stretch : Stretch

    Returns
    -------
    Tensor
        Images ``(n, 3, H, W)`` in ``[-1, 1]``, in the dtype of ``flux``. Beyond white ``lupton`` keeps the color.

    Raises
    ------
    TypeError, ValueError
        If the maps are no finite floating batch of three bands.
    """
    x = _three("flux", check_batch("flux", flux)).clamp_min(0) / _white(stretch, flux)
    if stretch.kind == "per-band":
        picture = _rise(x, stretch.softening).clamp_max(1)
    else:
        brightness = x.mean(1, keepdim=True)
        picture = x * _over(_rise(brightness, stretch.softening), brightness)
        picture = picture / picture.amax(1, keepdim=True).clamp_min(1)
    return 2 * picture - 1


def to_flux(images: torch.Tensor, stretch: Stretch) -> torch.Tensor:
    """Measure brightness in pictures: the inverse of `to_images`, where nothing was cut off.

    Parameters
    ----------
    images : Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``; TypeError or ValueError if not.
    stretch : Stretch
        That of the pictures.

    Returns
    -------
    Tensor
        ``(n, 3, H, W)``, surface brightness in the unit of ``stretch.white``.
    """
    picture = (_three("images", check_images("images", images)).clamp(-1, 1) + 1) / 2
    if stretch.kind == "per-band":
        x = _fall(picture, stretch.softening)
    else:
        seen = picture.mean(1, keepdim=True)
        x = picture * _over(_fall(seen, stretch.softening), seen)
    return x * _white(stretch, images)


@dataclass(frozen=True)
class StretchLoss:
    """What a picture no longer knows of the maps.

    Attributes
    ----------
    saturated : float
        Share of the pixels with a channel at white or beyond.
    negative : float
        Share of the values below 0, shown as black.
    error : tuple of float
        For each band the median relative error of the other values above a thousandth of white, after rounding to 256
        gray levels.
    """

    saturated: float
    negative: float
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


def _rise(x, s: float):
    return torch.asinh(x / s) / np.arcsinh(1 / s)


def _fall(seen, s: float):
    return s * torch.sinh(seen * np.arcsinh(1 / s))


def _over(a, b):
    """``a / b``, and 0 where there is no light."""
    return torch.where(b > 0, a / b.clamp_min(1e-30), torch.zeros_like(b))


def _white(stretch: Stretch, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(stretch.white, dtype=like.dtype, device=like.device)[:, None, None]


def _three(name: str, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] != 3:
        raise ValueError(f"{name}: got {x.shape[1]} bands, expected three, at {', '.join(map(str, BANDS))} micrometers")
    return x
