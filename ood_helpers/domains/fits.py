"""Maps of the sky in FITS files: surface brightness of three bands, with its unit and its place on the sky.

A file holds either one cube ``(3, H, W)`` or three images ``(H, W)``, in any unit of surface brightness, or in Jansky
per pixel or per beam.  `read_map` brings them to MJy/sr, `load_maps` a whole folder, `write_map` puts what a model made
into a file that any tool of astronomy opens.  A folder of such files is a domain for `load_domain`: its pictures are
developed by `bands.to_images` with the folder's own stretch.

FITS counts rows from below, pictures from above: rows are turned over on the way in and on the way out.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ..checks import check_batch, check_integer
from ..files import write_whole
from .bands import BANDS, Stretch, fit_stretch, to_images
from .folder import listing, stamps
from .real import draw

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz")
UNIT = "MJy/sr"
STRETCH_FILE = "stretch.json"
FITTED_TO = 200  # maps that set the stretch of a folder that has no file of its own


@dataclass(frozen=True)
class SkyMap:
    """Surface brightness of one patch of the sky.

    Attributes
    ----------
    flux : Tensor
        float32 ``(3, H, W)`` in MJy/sr; the bands at 250, 24 and 4.5 micrometers unless the file says otherwise, the
        longest wavelength first; row 0 is on top, the last row of the file.
    bands : tuple of float
        Wavelengths in micrometers.
    wcs : astropy.wcs.WCS or None
        Where its pixels lie on the sky, counted as in the file.
    file : str
    """

    flux: torch.Tensor
    bands: tuple[float, float, float]
    wcs: object
    file: str

    @property
    def pixel_scale(self) -> float | None:
        """Side of a pixel in arcseconds, the geometric mean of its two sides; None without a WCS."""
        return None if self.wcs is None else float(np.sqrt(_pixel_area(self.wcs)) * 3600)

    def at(self, size: int) -> SkyMap:
        """Return the central square at ``size`` pixels a side, with its WCS: shrunk by averaging areas, which keeps
        surface brightness, or enlarged bilinearly."""
        size = check_integer("size", size, 8)
        height, width = self.flux.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        flux = self.flux[None, :, top : top + side, left : left + side]
        if size <= side:
            flux = functional.adaptive_avg_pool2d(flux, size)
        else:
            flux = functional.interpolate(flux, (size, size), mode="bilinear", align_corners=False)
        below = height - side - top
        wcs = None if self.wcs is None else _regrid(self.wcs, left, below, side / size, size)
        return SkyMap(flux[0], self.bands, wcs, self.file)


def read_map(file: str | os.PathLike, *, blank: float | None = None) -> SkyMap:
    """Read three bands from a FITS file, in MJy/sr.

    Parameters
    ----------
    file : path
        One HDU with a cube of three planes, or three HDUs with an image each. The unit is read from ``BUNIT``, the
        wavelengths in micrometers from ``WAVELEN`` (of an image) or ``WAVELEN1`` to ``WAVELEN3`` (of a cube's planes);
        if none is given the bands are taken to be those of `bands.BANDS`, in that order.
    blank : float, optional
        Brightness in MJy/sr for pixels without a measurement (NaN); by default such a file is refused.

    Returns
    -------
    SkyMap

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, has no three bands of one shape, no unit or one that is no surface brightness, or pixels
        without a value; the message names the file.
    """
    from astropy.io import fits

    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"file: got {str(file)!r}, expected a FITS file")
    try:
        with fits.open(file, memmap=False) as opened:
            found = [(np.asarray(hdu.data), hdu.header) for hdu in opened if hdu.is_image and hdu.data is not None]
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"file: {str(file)!r} cannot be read as FITS ({error})") from error
    planes = _planes(file, found)
    values = np.stack([_in_unit(file, data, header) for data, header, _ in planes])
    missing = ~np.isfinite(values)
    if missing.any():
        if blank is None:
            told = f"{int(missing.sum())} of {missing.size} values without a measurement"
            raise ValueError(f"file: {str(file)!r} has {told}; cut them out, or pass blank= to fill them")
        values[missing] = blank
    bands = _wavelengths(file, [wave for *_, wave in planes])
    order = np.argsort(bands)[::-1]
    flux = torch.from_numpy(values[order][:, ::-1].astype(np.float32))
    return SkyMap(flux, tuple(float(bands[k]) for k in order), _celestial(planes[0][1]), str(file))


def write_map(file: str | os.PathLike, flux: torch.Tensor, *, wcs=None, history: tuple[str, ...] = ()) -> Path:
    """Write three bands as a FITS cube in MJy/sr, whole or not at all.

    Parameters
    ----------
    file : path
        Must not exist.
    flux : Tensor
        ``(3, H, W)`` in MJy/sr, in the order of `bands.BANDS`.
    wcs : astropy.wcs.WCS, optional
        For the two axes of the sky. A generated map lies nowhere; give it one only to carry a pixel scale.
    history : tuple of str
        Lines for the header, such as the model and the seed that made the map.

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError, TypeError, ValueError
        If the file exists, or the map is no finite floating tensor of three bands.
    """
    from astropy.io import fits

    file = Path(file)
    if not isinstance(flux, torch.Tensor) or flux.ndim != 3 or len(flux) != 3:
        shape = tuple(flux.shape) if hasattr(flux, "shape") else type(flux).__name__
        raise ValueError(f"flux: got {shape}, expected a Tensor of shape (3, H, W)")
    check_batch("flux", flux[None])
    if file.exists():
        raise FileExistsError(f"file: {str(file)!r} exists already")
    header = fits.Header() if wcs is None else wcs.to_header()
    header["BUNIT"] = UNIT
    for number, wavelength in enumerate(BANDS, 1):
        header[f"WAVELEN{number}"] = (wavelength, "micrometers")
    for line in history:
        header.add_history(line)
    content = io.BytesIO()
    fits.PrimaryHDU(flux.detach().cpu().float().flip(1).numpy(), header).writeto(content)
    write_whole(file, content.getvalue())
    return file


def map_files(folder: str | os.PathLike) -> list[Path]:
    """FITS files in a folder and the folders below it, sorted by path; none if there are none."""
    return listing(Path(folder), SUFFIXES)


def files(folder: Path) -> list[Path]:
    """What a folder's pictures depend on: its maps, and its stretch if that was saved."""
    return [*map_files(folder), *folder.glob(STRETCH_FILE)]


def load_maps(
    folder: str | os.PathLike, n: int, size: int = 64, seed: int = 0, start: int = 0, *, blank: float | None = None
) -> torch.Tensor:
    """Return maps of a folder of FITS files, their central squares at one size.

    Parameters
    ----------
    folder : path
        Searched with its subfolders.
    n, size, seed, start
        As for `load_domain`, which gives the pictures of the very same maps.
    blank : float, optional
        As for `read_map`.

    Returns
    -------
    Tensor
        float32 ``(n, 3, size, size)`` in MJy/sr.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are fewer than ``n`` files, or one cannot be read; the message names it.
    """
    start = check_integer("start", start, 0)
    chosen = choose(Path(folder), range(start, start + check_integer("n", n, 1)), check_integer("seed", seed, 0))
    return torch.stack([read_map(file, blank=blank).at(size).flux for file in chosen])


def choose(folder: Path, numbers: range, seed: int) -> list[Path]:
    """Those of a folder's FITS files with these numbers in an order drawn by ``seed``."""
    found = map_files(folder)
    if not found:
        raise FileNotFoundError(f"folder: no FITS file in {str(folder)!r} or below it")
    return [found[i] for i in draw(len(found), numbers, seed, f"the number of maps in {str(folder)!r}")]


def pictures(folder: Path, numbers: range, size: int, seed: int) -> np.ndarray:
    """Develop some of a folder's maps, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
    flux = torch.stack([read_map(file).at(size).flux for file in choose(folder, numbers, seed)])
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
        For `fit_stretch`, if there is no such file.

    Returns
    -------
    Stretch

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no map, or the file holds no stretch.
    """
    file = Path(folder) / STRETCH_FILE
    if file.is_file():
        try:
            saved = json.loads(file.read_text())
            return Stretch(tuple(saved.pop("white")), **saved)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"folder: {str(file)!r} holds no stretch ({error}); expected what save_stretch writes"
            ) from error
    first = map_files(folder)[:FITTED_TO]
    if not first:
        raise FileNotFoundError(f"folder: no FITS file in {str(folder)!r} or below it")
    return _fitted(stamps(first), tuple(sorted(settings.items())))


@cache
def _fitted(stamps: tuple, settings: tuple) -> Stretch:
    values = torch.cat([read_map(file).flux.flatten(1) for file, *_ in stamps], 1)
    return fit_stretch(values[None, :, :, None], **dict(settings))


def save_stretch(folder: str | os.PathLike, stretch: Stretch) -> Path:
    """Write a stretch beside the maps, so that more maps do not change how the others are developed."""
    file = Path(folder) / STRETCH_FILE
    write_whole(file, (json.dumps(asdict(stretch), indent=1) + "\n").encode())
    return file


def _planes(file: Path, found: list) -> list[tuple]:
    """Return ``(data, header, wavelength or None)`` of three bands, from a cube or from three images."""
    cubes = [(data, header) for data, header in found if data.ndim == 3 and len(data) == 3]
    images = [(data, header) for data, header in found if data.ndim == 2]
    if len(cubes) == 1 and not images:
        ((data, header),) = cubes
        return [(plane, header, header.get(f"WAVELEN{k}")) for k, plane in enumerate(data, 1)]
    if len(images) == 3 and not cubes and len({data.shape for data, _ in images}) == 1:
        return [(data, header, header.get("WAVELEN")) for data, header in images]
    shapes = ", ".join(str(data.shape) for data, _ in found) or "no image"
    raise ValueError(f"file: {str(file)!r} holds {shapes}, expected one cube (3, H, W) or three images (H, W)")


def _wavelengths(file: Path, waves: list) -> np.ndarray:
    if all(wave is None for wave in waves):
        return np.array(BANDS)
    if any(wave is None for wave in waves) or len(set(waves)) < 3:
        raise ValueError(f"file: {str(file)!r} has the wavelengths {waves}, expected three different ones, or none")
    return np.array(waves, float)


def _in_unit(file: Path, data: np.ndarray, header) -> np.ndarray:
    """Return data in MJy/sr."""
    from astropy import units as u

    text = str(header.get("BUNIT", "")).strip()
    if not text:
        raise ValueError(f"file: {str(file)!r} has no BUNIT, expected a unit of surface brightness such as {UNIT}")
    try:
        unit = u.Unit(text)
        if u.pix in unit.bases:
            unit = unit * u.pix / (_pixel_area(_required_wcs(header)) * u.deg**2)
        elif u.beam in unit.bases:
            unit = unit * u.beam / (np.pi / (4 * np.log(2)) * header["BMAJ"] * header["BMIN"] * u.deg**2)
        return np.asarray(data, np.float64) * (1 * unit).to_value(UNIT)
    except KeyError as error:
        raise ValueError(f"file: {str(file)!r} is in {text}, but its header lacks {error}") from error
    except (ValueError, u.UnitConversionError) as error:
        raise ValueError(f"file: {str(file)!r} is in {text!r}, expected a surface brightness ({error})") from error


def _celestial(header):
    """Return the WCS of the sky's two axes, or None if the header has none."""
    from astropy.wcs import WCS

    celestial = WCS(header).celestial
    return celestial if celestial.has_celestial else None


def _required_wcs(header):
    wcs = _celestial(header)
    if wcs is None:
        raise KeyError("celestial WCS, which pixels need")
    return wcs


def _pixel_area(wcs) -> float:
    """Area of a pixel in square degrees."""
    from astropy.wcs.utils import proj_plane_pixel_area

    return float(proj_plane_pixel_area(wcs))


def _regrid(wcs, left: int, below: int, factor: float, size: int):
    """Return the WCS of pixels ``factor`` times as wide, counted from a corner; pixel centers lie at whole numbers."""
    new = wcs.deepcopy()
    new.wcs.crpix = (np.asarray(wcs.wcs.crpix) - np.array([left, below]) - 0.5) / factor + 0.5
    if new.wcs.has_cd():
        new.wcs.cd = wcs.wcs.cd * factor
    else:
        new.wcs.cdelt = np.asarray(wcs.wcs.cdelt) * factor
    new.array_shape = (size, size)
    new.wcs.set()
    return new
