"""Brightness to picture and back: an inverse to rounding, known values, what is lost is counted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ood_helpers.astro.bands import KINDS, Stretch, fit_stretch, stretch_loss, to_flux, to_images


def maps(seed=0, n=3, dtype=torch.float64):
    """Lognormal maps in MJy/sr, each band on its own scale, as dust has them."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([300.0, 40.0, 2.0], dtype=dtype)[:, None, None]
    return scale * torch.randn((n, 3, 16, 16), generator=generator, dtype=dtype).exp()


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(softening=st.floats(1e-3, 3), seed=st.integers(0, 99))
def test_a_picture_gives_its_brightness_back(kind, softening, seed):
    """Where no channel is cut off: by ``lupton`` a saturated color is, even at moderate brightness."""
    flux = maps(seed, 1)
    stretch = Stretch(tuple((4 * flux).amax((0, 2, 3)).tolist()), softening, kind)
    images = to_images(flux, stretch)
    kept = (images.amax(1, keepdim=True) < 1).expand_as(flux)
    assert kept.double().mean() > (0.5 if kind == "lupton" else 0.999)
    torch.testing.assert_close(to_flux(images, stretch)[kept], flux[kept], rtol=1e-9, atol=0)


def test_black_and_white_are_where_they_should_be():
    stretch = Stretch((300.0, 40.0, 2.0), 0.05, "per-band")
    flux = torch.tensor([300.0, 40.0, 2.0], dtype=torch.float64)[None, :, None, None] * torch.tensor([0.0, 0.05, 1, 9])
    images = to_images(flux, stretch)
    middle = 2 * math.asinh(1) / math.asinh(20) - 1
    for channel in images[0, :, 0]:
        torch.testing.assert_close(channel, torch.tensor([-1.0, middle, 1.0, 1.0], dtype=torch.float64))


def test_the_ratio_of_the_bands_survives_even_beyond_white():
    stretch = Stretch((1.0, 1.0, 1.0))
    colors = torch.tensor([0.9, 0.3, 0.1], dtype=torch.float64)[None, :, None, None]
    for brightness in (1e-4, 0.1, 1.0, 50.0):
        picture = (to_images(brightness * colors, stretch) + 1) / 2
        torch.testing.assert_close(picture / picture.sum(), colors / colors.sum())


def test_negative_brightness_is_black_and_counted():
    flux = maps(dtype=torch.float32)
    flux[0, 0, :4] = -5.0
    stretch = fit_stretch(flux)
    assert (to_images(flux, stretch)[0, 0, :4] == -1).all()
    assert stretch_loss(flux, stretch).negative == pytest.approx(64 / flux.numel())


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_to_bytes_costs_about_a_percent_or_two(kind):
    """Half a gray level at the slope of the stretch: for x above s, the step of log x is asinh(1/s) / 255 = 1.4 %."""
    flux = maps(n=8)
    stretch = Stretch(tuple((1.01 * flux).amax((0, 2, 3)).tolist()), 0.05, kind)
    loss = stretch_loss(flux, stretch)
    assert loss.saturated < (0.1 if kind == "lupton" else 1e-9) and loss.negative == 0
    assert all(1e-4 < error < 0.06 for error in loss.error)
    finer = stretch_loss(flux, Stretch(stretch.white, 0.005, kind))
    assert np.mean(finer.error) < np.mean(loss.error)  # faint light gets more levels


def test_the_fit_shows_a_quantile_as_white():
    flux = maps(n=16)
    stretch = fit_stretch(flux, quantile=0.9, kind="per-band")
    white = to_images(flux, stretch) == 1
    assert white.double().mean((0, 2, 3)) == pytest.approx([0.1, 0.1, 0.1], abs=2e-3)


def test_lupton_keeps_the_colors_that_astropy_s_keeps():
    """`astropy` develops by another normalization, so hues are compared: ratios of channels where none is dark."""
    visualization = pytest.importorskip("astropy.visualization")
    flux = maps(n=1) / torch.tensor([300.0, 40.0, 2.0])[:, None, None]
    theirs = visualization.make_lupton_rgb(*flux[0].numpy(), stretch=3, Q=5).astype(float).transpose(2, 0, 1)
    ours = ((to_images(flux, Stretch((20.0, 20.0, 20.0))) + 1) / 2)[0].numpy()
    bright = (theirs.min(0) > 20) & (theirs.max(0) < 255)
    assert bright.mean() > 0.2
    np.testing.assert_allclose((ours[0] / ours[1])[bright], (theirs[0] / theirs[1])[bright], rtol=0.06)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"flux: got 4 bands, expected three, at 250\.0, 24\.0, 4\.5 micrometers"):
        to_images(torch.zeros(1, 4, 8, 8), Stretch((1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="white: got 2 numbers"):
        Stretch((1.0, 2.0))
    with pytest.raises(ValueError, match="white: got 0"):
        Stretch((1.0, 0.0, 2.0))
    with pytest.raises(ValueError, match="kind: got 'log', expected one of lupton, per-band"):
        Stretch((1.0, 1.0, 1.0), kind="log")
    with pytest.raises(ValueError, match="quantile: got 0"):
        fit_stretch(torch.ones(1, 3, 8, 8), quantile=0)
    with pytest.raises(ValueError, match="expected images in"):
        to_flux(torch.full((1, 3, 8, 8), 3.0), Stretch((1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="flux: holds NaN"):
        to_images(torch.full((1, 3, 8, 8), math.nan), Stretch((1.0, 1.0, 1.0)))
