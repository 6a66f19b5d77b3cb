"""What a FITS file says of three bands: their images in MJy/sr, wavelengths, and the grid that they share.

`fits` makes maps of it. Whatever is not as it has to be ends in `Unfit`.
"""

from __future__ import annotations

import itertools
import math
import re
import warnings
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from ..checks import check_number
from .bands import BANDS
from .extra import need

UNIT = "MJy/sr"
SAME_GRID = 0.05  # pixels: images that lie closer together than this share their grid
SAME_BAND = 0.01  # relative: wavelengths closer together than this are one band
SPECTRAL = ("WAVE", "AWAV", "FREQ", "ENER", "WAVN")
NO_BANDS = ("STOKES", "VRAD", "VOPT", "VELO", "FELO", "ZOPT", "BETA", "TIME")  # what such axes count is no band
NO_BRIGHTNESS = re.compile(  # names of extensions
    r"ERROR|UNC|SIGMA|STD|RMS|NOISE|VAR|WEIGHT|WHT|EXPOS|COVERAGE|QUAL|FLAG|MASK|BADPIX|BPM|MODEL|BACKGR|RESID"
    r"|(^|[^A-Z])(ERR|S?DQ|EXP|COV|BKG|PSF|SNR|HITS|AREA)([^A-Z]|$)|ERR$|^D2IMARR|^WCSDVARR"
)
SPELLINGS = {"jy|jansky": "Jy", "ster|steradian|sr": "sr", "pixel|pix": "pix", "beam": "beam", "arcsec": "arcsec"}


class Unfit(ValueError):
    """Says what is wrong with a file, without its name."""


class Plane(NamedTuple):
    """An image; None for what the file does not say."""

    name: str
    data: np.ndarray  # in MJy/sr, rows as in the file, NaN where nothing was measured
    wcs: object
    fault: str  # of a WCS that cannot be read
    wave: float | None


def read_planes(file: Path, asked, given: bool) -> list[Plane]:
    """Return three bands, from a cube or from three images; if wavelengths are given, they need not be there."""
    fits, exceptions = need("astropy.io.fits"), need("astropy.utils.exceptions")
    with warnings.catch_warnings(), _or_unfit("cannot be read as FITS ({})"):
        warnings.simplefilter("ignore", exceptions.AstropyWarning)  # repairs of headers; others are errors
        with fits.open(file, memmap=False, lazy_load_hdus=False) as opened:
            return [p for hdu in _chosen(opened, asked) for p in _hdu_planes(file, opened, hdu, given)]


@contextmanager
def _or_unfit(told: str, kinds: type[Exception] | tuple[type[Exception], ...] = Exception):
    """Turn errors of some kinds, or of the many that astropy and wcslib have, into ``told``, which quotes them."""
    try:
        yield
    except Unfit:
        raise
    except kinds as error:
        raise Unfit(told.replace("{}", _brief(error))) from error


def _brief(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def _chosen(opened, asked) -> list:
    """Return the HDUs that hold the bands: those asked for, or all whose name does not say otherwise."""
    images = {number: hdu for number, hdu in enumerate(opened) if hdu.is_image and hdu.shape}
    if asked is None:
        kept = [hdu for hdu in images.values() if not NO_BRIGHTNESS.search(hdu.name.upper())]
    else:
        kept = [_named(images, key) for key in ([asked] if isinstance(asked, str | int) else asked)]
    shapes = [tuple(n for n in hdu.shape[:-2] if n > 1) + hdu.shape[-2:] for hdu in kept]
    cube = len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] == 3
    if cube or (len({id(hdu) for hdu in kept}) == len(shapes) == 3 and {len(shape) for shape in shapes} == {2}):
        return kept
    told = ", ".join(map(str, shapes)) or "no image"
    others = ", ".join(hdu.name for hdu in images.values() if hdu not in kept)
    told += f" beside {others}" if others else ""
    raise Unfit(f"holds {told}, expected one cube (3, H, W) or three images (H, W), chosen by planes=")


def _named(images: dict, key):
    names = {number: f"{hdu.name},{hdu.ver}".upper() for number, hdu in images.items()}
    match = [n for n, name in names.items() if key == n or str(key).upper() in (name, name.rpartition(",")[0])]
    if len(match) == 1:
        return images[match[0]]
    known = "; ".join(f"{number} {name}" for number, name in names.items())
    raise Unfit(f"has other images: {key!r} of planes= names {len(match)} images, expected one of {known}")


def _hdu_planes(file: Path, opened, hdu, given: bool) -> list[Plane]:
    header, shape = hdu.header, hdu.shape
    axis = next((len(shape) - i for i, n in enumerate(shape[:-2]) if n > 1), 0)  # of the bands, as FITS counts
    _check_axes(header, len(shape), axis)
    wcs, fault = _sky(header, opened)
    factor = _to_unit(header, wcs, fault)
    info = hdu.fileinfo() if "Comp" not in type(hdu).__name__ else None
    if info and not info["file"].compression and info["datLoc"] + hdu.size > file.stat().st_size:
        raise Unfit("cannot be read as FITS (its header tells of more data than there are)")
    data = factor * np.asarray(hdu.data, np.float64).reshape(-1, *shape[-2:])
    cards = [f"WAVELEN{k}" for k in (1, 2, 3)] if axis else ["WAVELEN"]
    waves = [_wavelength(card, header[card]) if card in header else None for card in cards]
    if not any(waves):
        waves = _axis_wavelengths(header, opened, axis, len(waves), given)
    return [Plane(hdu.name, plane, wcs, fault, wave) for plane, wave in zip(data, waves, strict=True)]


def _text(header, card: str) -> str:
    value = header.get(card)  # or undefined, if the card is empty
    return value.strip() if isinstance(value, str) else ""


def _check_axes(header, ndim: int, bands: int) -> None:
    """Refuse axes that are not what they have to be: the sky, the sky, bands, and of polarizations only I."""
    kinds = {axis: _text(header, f"CTYPE{axis}").upper() for axis in range(ndim + 1)}
    for axis, expected in ((1, "the sky"), (2, "the sky"), (bands, "bands")):
        if kinds[axis].startswith(NO_BANDS + (SPECTRAL if axis in (1, 2) else ())):
            raise Unfit(f"has {kinds[axis]} along axis {axis}, expected {expected}")
    for axis in set(range(3, ndim + 1)) - {bands}:
        value, pixel, step = (header.get(f"{card}{axis}", 1) for card in ("CRVAL", "CRPIX", "CDELT"))
        numbers = all(isinstance(card, int | float) for card in (value, pixel, step))
        if kinds[axis] == "STOKES" and not (numbers and value + (1 - pixel) * step == 1):
            raise Unfit("has a STOKES axis that is not I, expected a surface brightness")


def _axis_wavelengths(header, opened, axis: int, n: int, given: bool) -> list:
    """Wavelengths in micrometers along a spectral axis: that of a cube, or one of length 1 of an image."""
    u, WCS = need("astropy.units"), need("astropy.wcs").WCS
    kinds = {k: _text(header, f"CTYPE{k}").upper() for k in ([axis] if axis else range(3, 10))}
    axis = next((k for k, kind in kinds.items() if kind.startswith(SPECTRAL)), None)
    if axis is None:
        return [None] * n
    told = f"has {kinds[axis]} along axis {axis}, which cannot be read ({{}})"
    told += "; expected wavelengths there, in cards WAVELEN or by bands="
    with suppress(Unfit) if given else nullcontext(), _or_unfit(told):
        if not _text(header, f"CUNIT{axis}"):
            raise ValueError(f"no CUNIT{axis}")
        spectral = WCS(header, opened).sub([axis])
        values = spectral.wcs_pix2world(np.arange(n)[:, None], 0)[:, 0] * spectral.wcs.cunit[0]
        waves = [float(f"{value:.9g}") for value in values.to_value(u.um, u.spectral())]
        return [check_number(f"axis {axis}", wave, 0, strict=True) for wave in waves]
    return [None] * n


def _wavelength(card: str, value) -> float:
    u, told = need("astropy.units"), "expected micrometers, or a wavelength with its unit"
    with _or_unfit(f"has {card} = {value!r}, {told}", (TypeError, ValueError)):
        text = isinstance(value, str) and not re.fullmatch(r"[-+.\deE ]+", value)
        number = u.Quantity(value).to_value(u.um, u.spectral()) if text else float(value)
        return check_number(card, float(number), 0, strict=True)


def three_bands(bands) -> tuple[float, float, float]:
    if isinstance(bands, str) or not hasattr(bands, "__len__") or len(bands) != 3 or len(set(bands)) != 3:
        raise ValueError(f"bands: got {bands!r}, expected three different wavelengths in micrometers")
    return tuple(check_number("bands", band, 0, strict=True) for band in bands)


def agree(bands, others) -> bool:
    return np.allclose(bands, others, rtol=SAME_BAND, atol=0)


def wavelengths(said: list, asked: tuple | None) -> np.ndarray:
    """What the file says of its planes, or what is asked for if it says nothing, or what is assumed."""
    if not any(said):
        return np.array(asked or BANDS)
    if not all(said) or len(set(said)) < 3:
        raise Unfit(f"has the wavelengths {said}, expected three different ones, or none")
    if asked is not None and not agree(said, asked):
        raise Unfit(f"has the wavelengths {said}, expected {asked} as bands= says")
    return np.array(said)


def _to_unit(header, wcs, fault: str) -> float:
    """What one unit of the file is in MJy/sr."""
    u, text = need("astropy.units"), _text(header, "BUNIT")
    if not text:
        raise Unfit(f"has no BUNIT, expected a unit of surface brightness such as {UNIT}")
    with _or_unfit(f"is in {text!r}, expected a surface brightness ({{}})", (KeyError, TypeError, ValueError)):
        unit = _unit(text)
        powers = dict(zip(unit.bases, unit.powers, strict=True))
        if u.pix in powers:
            if wcs is None:
                raise ValueError(f"it lacks a celestial WCS, which pixels need; {fault or 'there is none'}")
            unit = unit / u.pix ** powers[u.pix] / (pixel_area(wcs) * u.deg**2)
        if u.beam in powers:
            axes = [check_number(card, float(header[card]), 0, strict=True) for card in ("BMAJ", "BMIN")]
            unit = unit * u.beam / (math.pi / (4 * math.log(2)) * math.prod(axes) * u.deg**2)
        return (1 * unit).to_value(UNIT)


def _unit(text: str):
    """Read a unit in astropy's spelling, or as archives write it: MJY/SR, jy/beam, Jy/sq.arcsec."""
    u = need("astropy.units")
    try:
        unit = u.Unit(text)
    except ValueError:
        plain = re.sub(r"sq[. ]*arcsec", "arcsec2", text, flags=re.I)
        for pattern, name in SPELLINGS.items():
            plain = re.sub(rf"(?<![a-ln-z])([kmuµ]?)({pattern})s?(?![a-z])", rf"\1{name}", plain, flags=re.I)
        plain = re.sub("(U|K)(?=Jy)", lambda found: found[0].lower(), plain)
        if re.search("mJy" if "sr" in plain else "MJy", plain) and not re.search("[Mm]Jy", text):
            raise ValueError("M may be mega or milli: expected MJy or mJy") from None
        unit = u.Unit(plain)
    if not isinstance(unit, u.UnitBase):
        raise ValueError("it is logarithmic")
    return unit


def _sky(header, opened) -> tuple:
    """WCS of the sky's two axes and "", or None and what is wrong with it, "" if there is none."""
    try:
        wcs = need("astropy.wcs").WCS(header, opened, naxis=2).celestial
        if not wcs.has_celestial:
            return None, ""
        if any(not isinstance(header.get(card, 0), int | float) for card in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")):
            raise ValueError("no numbers where they are expected")
        if not 0 < pixel_area(wcs) < math.inf or not np.isfinite(wcs.wcs_pix2world([wcs.wcs.crpix], 1)).all():
            raise ValueError("its pixels have no area")
        return wcs, ""
    except Exception as error:  # of wcslib, MemoryError among them
        return None, _brief(error)


def pixel_area(wcs) -> float:  # in square degrees
    return float(need("astropy.wcs.utils").proj_plane_pixel_area(wcs))


def _tables(wcs) -> bool:
    return any(table is not None for table in (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2))


def wcs_header(wcs):
    sky = wcs.celestial
    if not sky.has_celestial or _tables(sky):
        raise ValueError("wcs: got one without the sky or distorted by tables, expected a celestial WCS")
    return sky.to_header(relax=True)


def regrid(wcs, left: int, below: int, factor: float, size: int):
    """Return the WCS of pixels ``factor`` times as wide, counted from a corner; pixel centers lie at whole numbers."""
    if _tables(wcs):
        return None
    new = wcs.deepcopy()
    new.wcs.crpix = (np.asarray(wcs.wcs.crpix) - np.array([left, below]) - 0.5) / factor + 0.5
    if new.wcs.has_cd():
        new.wcs.cd = wcs.wcs.cd * factor
    else:
        new.wcs.cdelt = np.asarray(wcs.wcs.cdelt) * factor
    if wcs.sip is not None:  # polynomials in pixels
        parts = (wcs.sip.a, wcs.sip.b, wcs.sip.ap, wcs.sip.bp)
        scaled = [None if c is None else c * factor ** (np.add.outer(*map(np.arange, c.shape)) - 1.0) for c in parts]
        new.sip = need("astropy.wcs").Sip(*scaled, new.wcs.crpix)
    new.array_shape = (size, size)
    new.wcs.set()
    return new


def area_means(values: np.ndarray, seen: np.ndarray, size: int) -> np.ndarray:
    """Means of squares ``(3, side, side)`` over the areas of ``size`` pixels a side, of what was seen."""
    side = values.shape[-1]
    edges, old = np.arange(size + 1)[:, None] * (side / size), np.arange(side)
    shares = np.clip(np.minimum(edges[1:], old + 1) - np.maximum(edges[:-1], old), 0, None) * (size / side)
    return mean_where_seen(shares @ np.where(seen > 0, values, 0) @ shares.T, shares @ seen @ shares.T)


def mean_where_seen(light: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.where(seen > 1e-6, light / np.maximum(seen, 1e-6), math.nan)


def one_grid(planes: list[Plane]) -> np.ndarray:
    """Stack images ``(3, H, W)`` on the grid of the first."""
    first, stacked = planes[0], []
    for plane in planes:
        alike = plane.data.shape == first.data.shape
        if (plane.wcs is None) != (first.wcs is None) or (plane.wcs is None and not alike):
            told = f"{plane.name} {plane.data.shape} and {first.name} {first.data.shape}"
            raise Unfit(f"holds {told}, expected images of one shape, or with a WCS each")
        same = alike and plane.wcs is first.wcs
        if alike and not same:
            points = np.stack(np.meshgrid(*(np.linspace(0, n - 1, 5) for n in first.data.shape[::-1])))
            on_sky = np.isfinite(first.wcs.pixel_to_world_values(*points)).all(0)
            away = np.abs(_pixels_of(plane, first, *points) - points)
            same = on_sky.any() and (away[:, on_sky] < SAME_GRID).all()
        stacked.append(plane.data if same else _reproject(plane, first))
    return np.stack(stacked)


def _pixels_of(plane: Plane, first: Plane, x, y) -> np.ndarray:
    """Where the pixels of the first image lie in another."""
    told = f"{plane.name} cannot be brought to the grid of {first.name} ({{}})"
    with _or_unfit(f"holds images of which {told}; expected them to show one field"):
        return np.stack(need("astropy.wcs.utils").pixel_to_pixel(first.wcs, plane.wcs, x, y))


def _reproject(plane: Plane, first: Plane) -> np.ndarray:
    """Bring what is finite of an image to the first's grid, bilinearly, as means over its pixels if these are wider."""
    (height, width), (below, beside) = first.data.shape, plane.data.shape
    ratio = math.sqrt(pixel_area(first.wcs) / pixel_area(plane.wcs))
    points = math.ceil(2 * ratio) if ratio > 1.05 else 1
    steps = (np.arange(points) + 0.5) / points - 0.5
    known = np.isfinite(plane.data)
    layers = (np.where(known, plane.data, 0), known.astype(float))
    sums = np.zeros((2, height, width))
    for step in itertools.product(steps, steps):
        y, x = np.mgrid[:height, :width] + np.array(step)[:, None, None]
        x, y = _pixels_of(plane, first, x, y)
        inside = (x >= -0.5) & (x <= beside - 0.5) & (y >= -0.5) & (y <= below - 0.5)
        place = np.where(inside, [y, x], 0)
        sums += inside * np.stack([map_coordinates(layer, place, order=1, mode="nearest") for layer in layers])
    if not sums[1].any():
        raise Unfit(f"holds {plane.name}, which does not overlap {first.name}; expected images of one field")
    return mean_where_seen(*sums)
