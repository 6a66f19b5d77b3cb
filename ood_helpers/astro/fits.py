"""Maps of the sky in FITS files: surface brightness of three bands, with its unit and its place on the sky.

A file holds either one cube ``(3, H, W)`` or three images ``(H, W)``, in any unit of surface brightness, or in Jansky
per pixel or per beam.  `read_map` brings them to MJy/sr on one grid, `load_maps` a whole folder, `write_map` puts what
a model made into a file that any tool of astronomy opens.  A folder of such files is a domain for `load_domain`: its
pictures are developed by `bands.to_images` with the folder's own stretch.

FITS counts rows from below, pictures from above: rows are turned over on the way in and on the way out.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import math
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from .. import draw, listing, stamps
from ..checks import check_batch, check_integer, check_number
from ..files import write_whole
from .bands import BANDS, Stretch, fit_stretch, to_images
from .planes import (
    UNIT,
    agree,
    area_shares,
    bad,
    mean_where_seen,
    one_grid,
    pixel_area,
    read_planes,
    regrid,
    three_bands,
    wavelengths,
    wcs_header,
)

SUFFIXES = tuple(name + packed for name in (".fits", ".fit", ".fts") for packed in ("", ".gz", ".bz2", ".fz"))
STRETCH_FILE = "stretch.json"
FITTED_TO, SAMPLED = 200, 65_536  # maps that set the stretch of a folder, and evenly spaced pixels of each


@dataclass(frozen=True)
class SkyMap:
    """Surface brightness of one patch of the sky.

    Attributes
    ----------
    flux : Tensor
        float32 ``(3, H, W)`` in MJy/sr, the longest wavelength first; row 0 is on top, the last row of the file.
    bands : tuple of float
        Wavelengths in micrometers.
    wcs : astropy.wcs.WCS or None
        Where its pixels lie on the sky, counted as in the file.
    file : str
    measured : Tensor or None
        bool ``(3, H, W)``, False where ``flux`` is ``blank`` for want of a measurement; None if that is nowhere.
    blank : float
        In MJy/sr.
    """

    flux: torch.Tensor
    bands: tuple[float, float, float]
    wcs: object
    file: str
    measured: torch.Tensor | None = None
    blank: float = math.nan

    @property
    def pixel_scale(self) -> float | None:
        """Side of a pixel in arcseconds, the geometric mean of its two sides; None without a WCS."""
        return None if self.wcs is None else math.sqrt(pixel_area(self.wcs)) * 3600

    def at(self, size: int) -> SkyMap:
        """Return the central square at ``size`` pixels a side, with its WCS.

        A new pixel has the mean surface brightness of its area, each old pixel weighted by the share of it that lies
        there: at any ratio the square's flux is kept. What was not measured has no weight; pixels without any
        measurement are ``blank``. A WCS distorted by tables, which belong to the old pixels, becomes None.
        """
        size = check_integer("size", size, 8)
        height, width = self.flux.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.s_[:, top : top + side, left : left + side]
        seen = np.ones((3, side, side)) if self.measured is None else self.measured[square].double().numpy()
        light = np.where(seen > 0, self.flux[square].double().numpy(), 0)
        shares = area_shares(side, size)
        light, seen = shares @ light @ shares.T, shares @ seen @ shares.T
        wcs = None if self.wcs is None else regrid(self.wcs, left, height - side - top, side / size, size)
        return SkyMap(*_filled(mean_where_seen(light, seen), self.bands, wcs, self.file, self.blank))


def read_map(file: str | os.PathLike, *, blank: float | None = None, bands=None, planes=None) -> SkyMap:
    """Read three bands from a FITS file, in MJy/sr.

    Parameters
    ----------
    file : path
        One HDU with a cube of three planes, or three HDUs with an image each; further axes of length 1 do not matter,
        nor does compression. ``BUNIT`` says a surface brightness, or Jansky per pixel (with the area at the WCS's
        reference point) or per beam (``BMAJ``, ``BMIN`` in degrees). Images with other WCS than the first are brought
        to its grid, bilinearly.
    blank : float, optional
        Brightness in MJy/sr for pixels without a measurement (NaN, infinity, ``BLANK``), or ``math.nan`` to keep them;
        by default such a file is refused.
    bands : tuple of float, optional
        Wavelengths in micrometers, in the order of the file's planes or of ``planes``. By default the file's own: cards
        ``WAVELEN`` (of an image) or ``WAVELEN1`` to ``WAVELEN3`` (of a cube's planes), in micrometers or as text with a
        unit, or else a spectral axis with its ``CUNIT``. If it says none, `bands.BANDS` are assumed, with a warning.
    planes : tuple of str or int, optional
        HDUs to read: their ``EXTNAME`` such as "SCI1", with version such as "SCI,1", or number. By default all images
        whose names do not say error, variance, weight, quality, mask, model, background or the like.

    Returns
    -------
    SkyMap
        Without WCS, and with a warning, if that of the file cannot be read and is not needed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If it is no whole FITS file; has no three bands, other wavelengths than ``bands``, fewer than three, an axis of
        polarization or velocity, images that do not overlap, no surface brightness, or pixels without a value. The
        message names the file.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"file: got {str(file)!r}, expected a FITS file")
    fill = math.nan if blank is None or blank != blank else check_number("blank", blank, -math.inf)
    found = read_planes(file, planes, bands is not None)
    waves = wavelengths(file, [plane.wave for plane in found], None if bands is None else three_bands(bands))
    order = np.argsort(waves)[::-1]
    values = one_grid(file, found)[order][:, ::-1]
    made = _filled(values, tuple(float(waves[k]) for k in order), found[0].wcs, str(file), fill)
    return _complete(SkyMap(*made)) if blank is None else SkyMap(*made)


def write_map(file: str | os.PathLike, flux, *, wcs=None, history: tuple[str, ...] = (), bands=None) -> Path:
    """Write three bands as a FITS cube in MJy/sr, whole or not at all.

    Parameters
    ----------
    file : path
        Must not exist; compressed if it ends in .gz or .bz2.
    flux : Tensor or SkyMap
        ``(3, H, W)`` in MJy/sr; a `SkyMap` brings its own bands and WCS.
    wcs : astropy.wcs.WCS, optional
        For the two axes of the sky. A generated map lies nowhere; give it one only to carry a pixel scale.
    history : tuple of str
        Lines for the header, such as the model and the seed that made the map.
    bands : tuple of float, optional
        Wavelengths in micrometers, in the order of ``flux``; by default those of the `SkyMap`, or `bands.BANDS`.

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError, FileNotFoundError, TypeError, ValueError
        If the file exists, or its folder does not; if the map is no finite floating tensor of three bands, or is a
        `SkyMap` of others than ``bands``.
    """
    from astropy.io import fits

    file, known = Path(file), BANDS
    if isinstance(flux, SkyMap):
        known, wcs, flux = flux.bands, flux.wcs if wcs is None else wcs, flux.flux
        if bands is not None and not agree(three_bands(bands), known):
            raise ValueError(f"bands: got {bands}, expected {known}, those of the map")
    if not isinstance(flux, torch.Tensor) or flux.ndim != 3 or len(flux) != 3:
        shape = tuple(flux.shape) if hasattr(flux, "shape") else type(flux).__name__
        raise ValueError(f"flux: got {shape}, expected a Tensor of shape (3, H, W)")
    check_batch("flux", flux[None])
    if file.exists():
        raise FileExistsError(f"file: {str(file)!r} exists already")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"file: got {str(file)!r}, expected a name in a folder that exists")
    header = fits.Header() if wcs is None else wcs_header(wcs)
    header["BUNIT"] = UNIT
    for number, wavelength in enumerate(three_bands(known if bands is None else bands), 1):
        header[f"WAVELEN{number}"] = (wavelength, "micrometers")
    for line in history:
        header.add_history(line)
    content = io.BytesIO()
    fits.PrimaryHDU(flux.detach().cpu().float().flip(1).numpy(), header).writeto(content)
    packed = {".gz": gzip.compress, ".bz2": bz2.compress}.get(file.suffix.lower(), bytes)
    write_whole(file, packed(content.getvalue()))
    return file


def map_files(folder: str | os.PathLike) -> list[Path]:
    """FITS files in a folder and the folders below it, sorted by path; none if there are none."""
    return listing(Path(folder), SUFFIXES)


def files(folder: Path) -> list[Path]:
    """What a folder's pictures depend on: its maps, and its stretch if that was saved."""
    return [*map_files(folder), *folder.glob(STRETCH_FILE)]


def load_maps(
    folder: str | os.PathLike, n: int, size: int = 64, seed: int = 0, start: int = 0, *, blank=None, **reading
) -> torch.Tensor:
    """Return maps of a folder of FITS files, their central squares at one size.

    Parameters
    ----------
    folder : path
        Searched with its subfolders.
    n, size, seed, start
        As for `load_domain`, which gives the pictures of the very same maps.
    blank : float, optional
        Brightness in MJy/sr for new pixels without any measurement; by default their map is refused.
    **reading
        ``bands`` and ``planes``, as for `read_map`.

    Returns
    -------
    Tensor
        float32 ``(n, 3, size, size)`` in MJy/sr.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If there are fewer than ``n`` files, one cannot be read (the message names it), or their bands differ.
    """
    start = check_integer("start", start, 0)
    chosen = choose(Path(folder), range(start, start + check_integer("n", n, 1)), check_integer("seed", seed, 0))
    return _squares(chosen, size, blank, **reading)


def choose(folder: Path, numbers: range, seed: int) -> list[Path]:
    """Those of a folder's FITS files with these numbers in an order drawn by ``seed``."""
    found = map_files(folder)
    if not found:
        raise FileNotFoundError(f"folder: no FITS file in {str(folder)!r} or below it")
    return [found[i] for i in draw(len(found), numbers, seed, f"the number of maps in {str(folder)!r}")]


def pictures(folder: Path, numbers: range, size: int, seed: int, blank: float | None = None) -> np.ndarray:
    """Develop some of a folder's maps, float32 ``(n, 3, size, size)`` in ``[0, 1]``; ``blank`` as for `load_maps`."""
    flux = _squares(choose(folder, numbers, seed), size, blank)
    return ((to_images(flux, folder_stretch(folder)) + 1) / 2).numpy()


def parameters(folder: Path, numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Where each of the maps comes from: ``file``."""
    return {"file": np.array([str(file) for file in choose(folder, numbers, seed)])}


def folder_stretch(folder: str | os.PathLike, **settings) -> Stretch:
    """Return how a folder's maps are developed: by its ``stretch.json``, or fitted to its first maps.

    Parameters
    ----------
    folder : path
    **settings
        For `fit_stretch`, if there is no such file. It is given what was measured in all bands; maps that cannot be
        read take no part.

    Returns
    -------
    Stretch

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no map, the file holds no stretch, or a band has no light to fit a white to.
    """
    file = Path(folder) / STRETCH_FILE
    if file.is_file():
        try:
            saved = json.loads(file.read_text())
            return Stretch(tuple(saved.pop("white")), **saved)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            told = f"holds no stretch ({error}); expected what save_stretch writes"
            raise ValueError(f"folder: {str(file)!r} {told}") from error
    first = map_files(folder)[:FITTED_TO]
    if not first:
        raise FileNotFoundError(f"folder: no FITS file in {str(folder)!r} or below it")
    return _fitted(str(folder), stamps(first), tuple(sorted(settings.items())))


def save_stretch(folder: str | os.PathLike, stretch: Stretch) -> Path:
    """Write a stretch beside the maps, so that more maps do not change how the others are developed."""
    file = Path(folder) / STRETCH_FILE
    write_whole(file, (json.dumps(asdict(stretch), indent=1) + "\n").encode())
    return file


@cache
def _fitted(folder: str, stamps: tuple, settings: tuple) -> Stretch:
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
        if not agree(one.bands, found[0].bands):
            raise bad(one.file, f"is at {one.bands} micrometers, expected {found[0].bands} as of {found[0].file!r}")
    if fill is None:
        return torch.stack([_complete(one).flux for one in found])
    return torch.stack([one.flux.nan_to_num(fill) for one in found])


def _filled(values: np.ndarray, bands: tuple, wcs, file: str, blank: float) -> tuple:
    """Fields of a `SkyMap` whose values are NaN where nothing was measured."""
    values = values.astype(np.float32)
    measured = np.isfinite(values)
    flux = torch.from_numpy(np.where(measured, values, np.float32(blank)))
    return flux, bands, wcs, file, None if measured.all() else torch.from_numpy(measured), blank


def _complete(found: SkyMap) -> SkyMap:
    if found.measured is not None:
        told = f"{int((~found.measured).sum())} of {found.measured.numel()} values without a measurement"
        raise bad(found.file, f"has {told}; cut them out, or pass blank= to fill them")
    return found
