"""Maps of the sky in FITS files: surface brightness of three bands, with its unit and its place on the sky.

This module is a `Reader` of such files: `load_domain` develops them by `to_images` with the folder's own stretch. FITS
counts rows from below, pictures from above: rows are turned over on the way in and on the way out.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import Folder, open_folder
from ..checks import check_batch, check_integer, check_number
from ..files import write_whole
from . import hdus
from .bands import BANDS, Stretch, fit_stretch, to_images
from .extra import need

File = str | os.PathLike
Bands = tuple[float, float, float]

NAME = "FITS files"
SUFFIXES = tuple(name + packed for name in (".fits", ".fit", ".fts") for packed in ("", ".gz", ".bz2", ".fz"))
STRETCH_FILE = "stretch.json"
BESIDE = (STRETCH_FILE,)
FITTED_TO, SAMPLED = 200, 65_536  # maps that set the stretch of a folder, and evenly spaced pixels of each


@dataclass(frozen=True)
class SkyMap:
    """Surface brightness of one patch of the sky."""

    flux: torch.Tensor  # float32 (3, H, W) in MJy/sr, the longest wavelength first; row 0 is the last of the file
    bands: Bands  # wavelengths in micrometers
    wcs: object  # an astropy.wcs.WCS: where the pixels lie on the sky, counted as in the file; or None
    file: str
    measured: torch.Tensor | None = None  # bool (3, H, W), False where flux is blank; None if that is nowhere
    blank: float = math.nan  # what flux is for want of a measurement

    @property
    def pixel_scale(self) -> float | None:
        """Side of a pixel in arcseconds, the geometric mean of its two sides; None without a WCS."""
        return None if self.wcs is None else math.sqrt(hdus.pixel_area(self.wcs)) * 3600

    def at(self, size: int) -> SkyMap:
        """Return the central square at ``size`` pixels a side, with its WCS.

        A new pixel has the mean brightness of its area, so that flux is kept at any ratio. What was not measured has
        no weight; pixels without any measurement are ``blank``. A WCS distorted by tables becomes None.
        """
        size = check_integer("size", size, 8)
        height, width = self.flux.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.s_[:, top : top + side, left : left + side]
        seen = np.ones((3, side, side)) if self.measured is None else self.measured[square].double().numpy()
        means = hdus.area_means(self.flux[square].double().numpy(), seen, size)
        wcs = None if self.wcs is None else hdus.regrid(self.wcs, left, height - side - top, side / size, size)
        return _sky_map(means, self.bands, wcs, self.file, self.blank)

    def complete(self) -> SkyMap:
        """Return this map, or raise ValueError if something was not measured."""
        if self.measured is None:
            return self
        told = f"{int((~self.measured).sum())} of {self.measured.numel()} values without a measurement"
        raise ValueError(f"file: {self.file!r} has {told}; cut them out, or pass blank= to fill them")


def _sky_map(values: np.ndarray, bands: tuple, wcs, file: str, blank: float) -> SkyMap:
    """Map of values that are NaN where nothing was measured."""
    values = values.astype(np.float32)
    measured = np.isfinite(values)
    flux = torch.from_numpy(np.where(measured, values, np.float32(blank)))
    return SkyMap(flux, bands, wcs, file, None if measured.all() else torch.from_numpy(measured), blank)


def read_map(
    file: File, *, blank: float | None = None, bands: Bands | None = None, planes: Sequence[str | int] | None = None
) -> SkyMap:
    """Read three bands from a FITS file, in MJy/sr.

    FileNotFoundError, ImportError, TypeError or ValueError names the file and says what is not as below.

    Parameters
    ----------
    file : path
        A cube ``(3, H, W)`` in one HDU or images in three, compressed or not; axes of length 1 do not matter.
        ``BUNIT`` says a surface brightness, or Jansky per pixel (of the area at the WCS's reference point) or per beam
        (``BMAJ``, ``BMIN`` in degrees). Images with other WCS than the first are brought to its grid, bilinearly.
    blank : float, optional
        Brightness in MJy/sr for pixels without a measurement (NaN, infinity, ``BLANK``), or ``math.nan`` to keep them;
        by default such a file is refused.
    bands : tuple of float, optional
        Wavelengths in micrometers, in the order of the file's planes or of ``planes``. By default the file's own: cards
        ``WAVELEN`` (of an image) or ``WAVELEN1`` to ``WAVELEN3`` (of a cube), in micrometers or as text with a unit, or
        else a spectral axis with its ``CUNIT``. If it says none, `BANDS` are assumed, with a warning.
    planes : tuple of str or int, optional
        HDUs to read: their ``EXTNAME`` such as "SCI1", with version such as "SCI,1", or number. By default all images
        whose names do not say error, variance, weight, quality, mask, model, background or the like.

    Returns
    -------
    SkyMap
        Without WCS, and with a warning, if that of the file cannot be read and is not needed.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"file: got {str(file)!r}, expected a FITS file")
    fill = math.nan if blank is None or blank != blank else check_number("blank", blank, -math.inf)
    asked = None if bands is None else hdus.three_bands(bands)
    try:
        found = hdus.read_planes(file, planes, bands is not None)
        waves, values = hdus.wavelengths([plane.wave for plane in found], asked), hdus.one_grid(found)
    except hdus.Unfit as error:
        raise ValueError(f"file: {str(file)!r} {error}") from error
    for fault in {plane.fault for plane in found} - {""}:
        _warn(f"file: {str(file)!r} has a WCS that cannot be read ({fault}); it is read without one")
    if asked is None and found[0].wave is None:
        told = f"the maps in {str(file.parent)!r} say no wavelengths; {BANDS} micrometers are assumed, in this order"
        _warn(f"{told} (pass bands= to read_map or load_maps, or write cards WAVELEN1 to WAVELEN3)")
    order = np.argsort(waves)[::-1]
    made = _sky_map(values[order][:, ::-1], tuple(float(waves[k]) for k in order), found[0].wcs, str(file), fill)
    return made.complete() if blank is None else made


@cache
def _warn(message: str) -> None:
    """Warn once: when others' warnings are caught, Python forgets what it has said."""
    warnings.warn(message, UserWarning, stacklevel=3)


def write_map(
    file: File, flux: torch.Tensor | SkyMap, *, wcs: Any = None, history: Sequence[str] = (), bands: Bands | None = None
) -> Path:
    """Write three bands as a FITS cube in MJy/sr, whole or not at all, and return the file.

    Parameters
    ----------
    file : path
        Must not exist (FileExistsError), its folder must (FileNotFoundError); compressed if it ends in .gz or .bz2.
    flux : Tensor or SkyMap
        ``(3, H, W)`` in MJy/sr, floating and finite (TypeError, ValueError); a `SkyMap` brings its own bands and WCS.
    wcs : astropy.wcs.WCS, optional
        For the two axes of the sky. A generated map lies nowhere; give it one only to carry a pixel scale.
    history : tuple of str
        Lines for the header, such as the model and the seed that made the map.
    bands : tuple of float, optional
        Wavelengths in micrometers, in the order of ``flux``; by default `BANDS`. Of a `SkyMap` they must be its own.
    """
    fits, file, known = need("astropy.io.fits"), Path(file), BANDS
    if isinstance(flux, SkyMap):
        known, wcs, flux = flux.bands, flux.wcs if wcs is None else wcs, flux.flux
        if bands is not None and not hdus.agree(hdus.three_bands(bands), known):
            raise ValueError(f"bands: got {bands}, expected {known}, those of the map")
    if not isinstance(flux, torch.Tensor) or flux.ndim != 3 or len(flux) != 3:
        shape = tuple(flux.shape) if hasattr(flux, "shape") else type(flux).__name__
        raise ValueError(f"flux: got {shape}, expected a Tensor of shape (3, H, W)")
    check_batch("flux", flux[None].float() if flux.is_floating_point() else flux[None])  # as it is written
    if isinstance(history, str):
        raise TypeError(f"history: got {history!r}, expected several lines")
    if file.exists():
        raise FileExistsError(f"file: {str(file)!r} exists already")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"file: got {str(file)!r}, expected a name in a folder that exists")
    header = fits.Header() if wcs is None else hdus.wcs_header(wcs)
    waves = enumerate(hdus.three_bands(known if bands is None else bands), 1)
    header.update({"BUNIT": hdus.UNIT, **{f"WAVELEN{k}": (wave, "micrometers") for k, wave in waves}})
    for line in history:
        header.add_history(line)
    content = io.BytesIO()
    fits.PrimaryHDU(flux.detach().cpu().float().flip(1).numpy(), header).writeto(content)
    packed = {".gz": gzip.compress, ".bz2": bz2.compress}.get(file.suffix.lower(), bytes)
    write_whole(file, packed(content.getvalue()))
    return file


def load_maps(
    folder: File, n: int, size: int = 64, seed: int = 0, start: int = 0, *, blank: float | None = None, **reading: Any
) -> torch.Tensor:
    """Return maps of a folder of FITS files, their central squares at one size.

    Parameters
    ----------
    folder, n, size, seed, start
        As for `load_domain`, which gives the pictures of the very same maps.
    blank : float, optional
        Brightness in MJy/sr for new pixels without any measurement; by default their map is refused.
    **reading
        ``bands`` and ``planes``, as for `read_map`, with the same errors, also if files are too few or differ in bands.

    Returns
    -------
    Tensor
        float32 ``(n, 3, size, size)`` in MJy/sr.
    """
    start = check_integer("start", start, 0)
    numbers = range(start, start + check_integer("n", n, 1))
    return _squares(_maps_in(folder).choose(numbers, check_integer("seed", seed, 0)), size, blank, **reading)


def read_files(files: list[Path], size: int, folder: Folder, *, blank: float | None = None) -> np.ndarray:
    """Develop some of a folder's maps, float32 ``(n, 3, size, size)`` in ``[0, 1]``; ``blank`` as for `load_maps`."""
    flux = _squares(files, size, blank)
    stretch = _saved(folder.path) or _fitted(folder.stamps(FITTED_TO), str(folder.path), ())
    return ((to_images(flux, stretch) + 1) / 2).numpy()


def folder_stretch(folder: File, **settings: object) -> Stretch:
    """Return how a folder's maps are developed: by its ``stretch.json``, or fitted to its first maps.

    Then ``settings`` are those of `fit_stretch`, given what was measured in all bands of the maps that can be read.
    FileNotFoundError without a map; ValueError if a band has no light, or the file holds no stretch.
    """
    saved = _saved(Path(folder))
    return saved or _fitted(_maps_in(folder).stamps(FITTED_TO), str(folder), tuple(sorted(settings.items())))


def save_stretch(folder: File, stretch: Stretch) -> Path:
    """Write a stretch beside the maps, so that more maps do not change how the others are developed."""
    file = Path(folder) / STRETCH_FILE
    write_whole(file, (json.dumps(asdict(stretch), indent=1) + "\n").encode())
    return file


def _maps_in(path: File) -> Folder:
    folder = open_folder(path)
    if folder.reader.NAME != NAME:
        raise FileNotFoundError(f"folder: no FITS file in {str(path)!r} or below it")
    return folder


def _saved(folder: Path) -> Stretch | None:
    file = folder / STRETCH_FILE
    if not file.is_file():
        return None
    try:
        saved = json.loads(file.read_text())
        return Stretch(tuple(saved.pop("white")), **saved)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        told = f"{str(file)!r} holds no stretch ({error}); expected what save_stretch writes"
        raise ValueError(f"folder: {told}") from error


@cache
def _fitted(stamps: tuple, folder: str, settings: tuple) -> Stretch:
    columns = []
    for file, *_ in stamps:
        try:
            flux = read_map(file, blank=math.nan).flux.flatten(1)
        except (FileNotFoundError, ValueError):  # named when it is asked for
            continue
        flux = flux[:, torch.isfinite(flux).all(0)]
        columns.append(flux[:, :: max(1, math.ceil(flux.shape[1] / SAMPLED))])
    values = torch.cat([torch.zeros(3, 0), *columns], 1)
    if not values.numel():
        raise ValueError(f"folder: no map in {folder!r} can be read and has pixels measured in all bands")
    try:
        return fit_stretch(values[None, :, :, None], **dict(settings))
    except ValueError as error:
        if not str(error).startswith("white"):
            raise
        share = ", ".join(f"{x:.2%}" for x in (values > 0).double().mean(1))
        told = f"a band without light in the maps in {folder!r} (of their pixels {share} are above 0)"
        raise ValueError(f"folder: {told}, expected some to fit a white to, or a stretch by save_stretch") from error


def _squares(chosen: list[Path], size: int, blank: float | None, **reading) -> torch.Tensor:
    """Central squares of maps with the same bands."""
    fill = None if blank is None else check_number("blank", blank, -math.inf)
    found = [read_map(file, blank=math.nan, **reading).at(size) for file in chosen]
    for one in found:
        if not hdus.agree(one.bands, found[0].bands):
            told = f"is at {one.bands} micrometers, expected {found[0].bands} as of {found[0].file!r}"
            raise ValueError(f"file: {one.file!r} {told}")
    return torch.stack([one.complete().flux if fill is None else one.flux.nan_to_num(fill) for one in found])
