"""Maps of the sky: units by hand, the sky's coordinates by astropy, nothing lost between file and picture."""

import math

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.domains import domain_fingerprint
from ood_helpers.domains import fits as maps_module
from ood_helpers.domains.bands import Stretch, to_flux
from ood_helpers.domains.fits import folder_stretch, load_maps, map_files, read_map, save_stretch, write_map

fits = pytest.importorskip("astropy.io.fits")
wcs_module = pytest.importorskip("astropy.wcs")


def sky(height=40, width=48, scale=6.0):
    """A tangential projection around the Eagle nebula, ``scale`` arcseconds a pixel."""
    wcs = wcs_module.WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 274.7, -13.8
    wcs.wcs.crpix = width / 2 + 0.5, height / 2 + 0.5
    wcs.wcs.cdelt = -scale / 3600, scale / 3600
    wcs.wcs.cunit = "deg", "deg"
    wcs.wcs.set()
    return wcs


def maps(seed=0, height=40, width=48):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([300.0, 40.0, 2.0])[:, None, None]
    return scale * torch.randn((3, height, width), generator=generator).exp()


def test_what_is_written_is_read(tmp_path):
    flux = maps()
    found = read_map(write_map(tmp_path / "a.fits", flux, wcs=sky(), history=("model toy-dog", "seed 3")))
    torch.testing.assert_close(found.flux, flux, rtol=0, atol=0)
    assert found.bands == (250.0, 24.0, 4.5)
    assert found.pixel_scale == pytest.approx(6.0)
    header = fits.getheader(tmp_path / "a.fits")
    assert list(header["HISTORY"]) == ["model toy-dog", "seed 3"] and header["BUNIT"] == "MJy/sr"


def test_the_first_row_of_a_picture_is_the_last_of_the_file(tmp_path):
    """North is up: where the file's declination grows with the row, row 0 of a map is the northernmost."""
    flux = torch.zeros(3, 40, 48)
    flux[:, 0] = 1
    write_map(tmp_path / "a.fits", flux, wcs=sky())
    assert (fits.getdata(tmp_path / "a.fits")[:, -1] == 1).all()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("MJy/sr", 1.0),
        ("Jy/sr", 1e-6),
        ("mJy / arcsec2", 1e-9 * (180 * 3600 / math.pi) ** 2),
        ("Jy/pixel", 1e-6 * (180 * 3600 / math.pi / 6) ** 2),
        ("Jy/beam", 1e-6 * (180 * 3600 / math.pi) ** 2 / (math.pi * 18.0 * 12.0 / (4 * math.log(2)))),
    ],
)
def test_units_become_megajansky_per_steradian(tmp_path, unit, factor):
    header = sky().to_header()
    header["BUNIT"], header["BMAJ"], header["BMIN"] = unit, 18.0 / 3600, 12.0 / 3600
    values = maps().numpy()
    fits.PrimaryHDU(values, header).writeto(tmp_path / "a.fits")
    found = read_map(tmp_path / "a.fits").flux.numpy()
    np.testing.assert_allclose(found[:, ::-1], factor * values, rtol=1e-5)


def test_three_images_are_put_in_order_of_wavelength(tmp_path):
    flux, hdus = maps(), [fits.PrimaryHDU()]
    for band, wavelength in ((2, 4.5), (0, 250.0), (1, 24.0)):
        hdu = fits.ImageHDU(flux[band].numpy())
        hdu.header["BUNIT"], hdu.header["WAVELEN"] = "MJy/sr", wavelength
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    found = read_map(tmp_path / "a.fits")
    assert found.bands == (250.0, 24.0, 4.5) and found.wcs is None and found.pixel_scale is None
    torch.testing.assert_close(found.flux.flip(1), flux)


@pytest.mark.parametrize("size", [10, 20, 40, 80])
def test_a_regridded_map_keeps_its_brightness_and_its_place(tmp_path, size):
    """Mean brightness of the central square, and the sky under its corners."""
    flux, wcs = maps(), sky()
    found = read_map(write_map(tmp_path / "a.fits", flux, wcs=wcs)).at(size)
    square = flux[:, :, 4:44]
    assert found.flux.shape == (3, size, size)
    torch.testing.assert_close(found.flux.mean((1, 2)), square.mean((1, 2)), rtol=0.03 if size > 40 else 1e-5, atol=0)
    assert found.pixel_scale == pytest.approx(6.0 * 40 / size)
    corner, opposite = found.wcs.pixel_to_world_values([-0.5, size - 0.5], [-0.5, size - 0.5])
    expected = wcs.pixel_to_world_values([3.5, 43.5], [-0.5, 39.5])
    np.testing.assert_allclose([corner, opposite], expected, atol=1e-9)


def test_a_folder_of_maps_is_a_domain_and_its_pictures_give_the_maps_back(tmp_path):
    for k in range(5):
        write_map(tmp_path / f"{k}.fits", maps(k, 32, 32))
    save_stretch(tmp_path, Stretch((3e4, 4e3, 200.0), 0.01, "per-band"))
    images = ood.load_domain(tmp_path, n=4, size=32, seed=1)
    flux = load_maps(tmp_path, 4, 32, 1)
    assert images.shape == (4, 3, 32, 32) and images.abs().max() <= 1
    torch.testing.assert_close(to_flux(images, folder_stretch(tmp_path)), flux, rtol=2e-3, atol=0)
    files = ood.domain_parameters(tmp_path, n=4, seed=1)["file"]
    torch.testing.assert_close(read_map(files[2]).flux, flux[2])
    before = domain_fingerprint(tmp_path)
    save_stretch(tmp_path, Stretch((3e4, 4e3, 201.0), 0.01, "per-band"))
    assert len(map_files(tmp_path)) == 5 and domain_fingerprint(tmp_path) != before


def test_without_a_file_the_stretch_is_fitted_to_the_folder_and_stays_when_saved(tmp_path):
    for k in range(3):
        write_map(tmp_path / f"{k}.fits", maps(k, 32, 32))
    fitted = folder_stretch(tmp_path)
    save_stretch(tmp_path, fitted)
    write_map(tmp_path / "bright.fits", 100 * maps(9, 32, 32))
    assert folder_stretch(tmp_path) == fitted
    (tmp_path / "stretch.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no stretch"):
        folder_stretch(tmp_path)


def test_a_stretch_is_fitted_once_to_the_maps_that_are_there(tmp_path, monkeypatch):
    write_map(tmp_path / "0.fits", maps(0, 32, 32))
    fitted, read = folder_stretch(tmp_path), []
    monkeypatch.setattr(maps_module, "read_map", lambda file, **_: read.append(file) or read_map(file))
    assert folder_stretch(tmp_path) == fitted and not read
    write_map(tmp_path / "1.fits", 9 * maps(1, 32, 32))
    assert folder_stretch(tmp_path) != fitted and len(read) == 2


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a FITS file"):
        read_map(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("not a table of stars")
    with pytest.raises(ValueError, match=r"text\.fits.*cannot be read as FITS"):
        read_map(tmp_path / "text.fits")
    header = fits.Header({"BUNIT": "MJy/sr"})
    fits.PrimaryHDU(np.zeros((4, 8, 8)), header).writeto(tmp_path / "four.fits")
    with pytest.raises(ValueError, match=r"four\.fits.*\(4, 8, 8\), expected one cube"):
        read_map(tmp_path / "four.fits")
    fits.PrimaryHDU(np.zeros((3, 8, 8))).writeto(tmp_path / "bare.fits")
    with pytest.raises(ValueError, match=r"bare\.fits.*no BUNIT"):
        read_map(tmp_path / "bare.fits")
    for unit, complaint in (("K", "expected a surface brightness"), ("Jy/pix", "lacks"), ("Jy/beam", "BMAJ")):
        header["BUNIT"] = unit
        fits.PrimaryHDU(np.zeros((3, 8, 8)), header).writeto(tmp_path / "unit.fits", overwrite=True)
        with pytest.raises(ValueError, match=rf"unit\.fits.*{complaint}"):
            read_map(tmp_path / "unit.fits")
    header["BUNIT"], header["WAVELEN1"] = "MJy/sr", 24.0
    fits.PrimaryHDU(np.zeros((3, 8, 8)), header).writeto(tmp_path / "wave.fits")
    with pytest.raises(ValueError, match="expected three different ones, or none"):
        read_map(tmp_path / "wave.fits")


def test_pixels_without_a_measurement_are_refused_or_filled(tmp_path):
    values = maps().numpy()
    values[1, 2, 3:6] = np.nan
    fits.PrimaryHDU(values, fits.Header({"BUNIT": "MJy/sr"})).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="has 3 of 5760 values without a measurement"):
        read_map(tmp_path / "a.fits")
    found = read_map(tmp_path / "a.fits", blank=0.5).flux.flip(1)
    assert (found[1, 2, 3:6] == 0.5).all()


def test_nothing_half_written_stays_behind(tmp_path):
    file = write_map(tmp_path / "a.fits", maps())
    with pytest.raises(FileExistsError, match="exists already"):
        write_map(file, maps())
    with pytest.raises(ValueError, match="expected a Tensor of shape"):
        write_map(tmp_path / "b.fits", torch.zeros(2, 8, 8))
    with pytest.raises(ValueError, match="NaN"):
        write_map(tmp_path / "b.fits", torch.full((3, 8, 8), math.nan))
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


def test_a_folder_holds_images_or_maps(tmp_path):
    from PIL import Image

    write_map(tmp_path / "a.fits", maps(0, 16, 16))
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="holds images and FITS files, expected either"):
        ood.load_domain(tmp_path, n=1, size=16)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match="got 2, expected at most 1, the number of maps"):
        ood.load_domain(tmp_path, n=2, size=16)
