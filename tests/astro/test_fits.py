"""Maps of the sky: units by hand, the sky's coordinates by astropy, nothing lost between file and picture."""

import bz2
import gzip
import math

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.astro import fits as maps_module
from ood_helpers.astro.bands import Stretch, to_flux
from ood_helpers.astro.fits import folder_stretch, load_maps, read_map, save_stretch, write_map
from ood_helpers.domains import domain_fingerprint

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


WAVES = {"WAVELEN1": 250.0, "WAVELEN2": 24.0, "WAVELEN3": 4.5}
CARDS = {"BUNIT": "MJy/sr", **WAVES}


def cube_file(file, values=None, **cards):
    """A cube with the sky of `sky`, unless other cards are given."""
    values = maps().numpy() if values is None else values
    header = sky(*values.shape[-2:]).to_header()
    for card, value in {**CARDS, **cards}.items():
        if value is None:
            header.remove(card, ignore_missing=True)
        else:
            header[card] = value
    fits.PrimaryHDU(values, header).writeto(file, overwrite=True)
    return file


def images_file(file, images, names=("A", "B", "C"), skies=(None, None, None), waves=(250.0, 24.0, 4.5)):
    hdus = [fits.PrimaryHDU()]
    for image, name, wcs, wave in zip(images, names, skies, waves, strict=True):
        hdu = fits.ImageHDU(image, None if wcs is None else wcs.to_header(), name=name)
        hdu.header["BUNIT"] = "MJy/sr"
        if wave:
            hdu.header["WAVELEN"] = wave
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(file, overwrite=True)
    return file


def area_means(values, size):
    """Means over areas, from the integral of the brightness: piecewise linear along an axis."""
    for axis in (1, 2):
        side = values.shape[axis]
        integral = np.insert(np.cumsum(values, axis), 0, 0, axis)
        edges = np.linspace(0, side, size + 1)
        at_edges = np.apply_along_axis(lambda v: np.interp(edges, np.arange(side + 1), v), axis, integral)  # noqa: B023
        values = np.diff(at_edges, axis=axis) * size / side
    return values


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
        ("10**6 Jy sr-1", 1.0),
        ("MJY/SR", 1.0),
        ("MJy/ster", 1.0),
        ("KJY SR-1", 1e-3),
        ("JY/PIXEL", 1e-6 * (180 * 3600 / math.pi / 6) ** 2),
        ("uJy/pix2", 1e-12 * (180 * 3600 / math.pi / 6) ** 2),
        ("mJy/arcsec**2", 1e-9 * (180 * 3600 / math.pi) ** 2),
        ("Jy/sq.arcsec", 1e-6 * (180 * 3600 / math.pi) ** 2),
        ("mjy/Beam", 1e-9 * (180 * 3600 / math.pi) ** 2 / (math.pi * 18.0 * 12.0 / (4 * math.log(2)))),
        ("Jy/beam", 1e-6 * (180 * 3600 / math.pi) ** 2 / (math.pi * 18.0 * 12.0 / (4 * math.log(2)))),
    ],
)
def test_units_become_megajansky_per_steradian(tmp_path, unit, factor):
    values = maps().numpy()
    cube_file(tmp_path / "a.fits", values, BUNIT=unit, BMAJ=18.0 / 3600, BMIN=12.0 / 3600)
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


@pytest.mark.parametrize("size", [10, 13, 29, 40, 64, 80])
def test_a_regridded_map_keeps_its_brightness_and_its_place(tmp_path, size):
    """Mean brightness of the central square, and the sky under its corners."""
    flux, wcs = maps(), sky()
    found = read_map(write_map(tmp_path / "a.fits", flux, wcs=wcs)).at(size)
    square = flux[:, :, 4:44]
    assert found.flux.shape == (3, size, size)
    torch.testing.assert_close(found.flux.mean((1, 2)), square.mean((1, 2)), rtol=1e-5, atol=0)
    assert found.pixel_scale == pytest.approx(6.0 * 40 / size)
    np.testing.assert_allclose(found.flux, area_means(square.double().numpy(), size), rtol=1e-5)
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
    assert len(ood.open_folder(tmp_path).files) == 5 and domain_fingerprint(tmp_path) != before


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
    header = fits.Header(CARDS)
    fits.PrimaryHDU(np.zeros((4, 8, 8)), header).writeto(tmp_path / "four.fits")
    with pytest.raises(ValueError, match=r"four\.fits.*\(4, 8, 8\), expected one cube"):
        read_map(tmp_path / "four.fits")
    fits.PrimaryHDU(np.zeros((3, 8, 8))).writeto(tmp_path / "bare.fits")
    with pytest.raises(ValueError, match=r"bare\.fits.*no BUNIT"):
        read_map(tmp_path / "bare.fits")
    for unit, complaint in (
        ("K", "expected a surface brightness"),
        ("Jy/pix", "lacks a celestial WCS"),
        ("Jy/beam", "BMAJ"),
    ):
        header["BUNIT"] = unit
        fits.PrimaryHDU(np.zeros((3, 8, 8)), header).writeto(tmp_path / "unit.fits", overwrite=True)
        with pytest.raises(ValueError, match=rf"unit\.fits.*{complaint}"):
            read_map(tmp_path / "unit.fits")
    header["BUNIT"], header["WAVELEN1"] = "MJy/sr", 24.0
    del header["WAVELEN3"]
    fits.PrimaryHDU(np.zeros((3, 8, 8)), header).writeto(tmp_path / "wave.fits")
    with pytest.raises(ValueError, match="expected three different ones, or none"):
        read_map(tmp_path / "wave.fits")


def test_pixels_without_a_measurement_are_refused_or_filled(tmp_path):
    values = maps().numpy()
    values[1, 2, 3:6] = np.nan
    cube_file(tmp_path / "a.fits", values)
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
    with pytest.raises(ValueError, match="got 2, expected at most 1, the number of FITS files"):
        ood.load_domain(tmp_path, n=2, size=16)


@pytest.mark.parametrize("size", [47, 102])
def test_photometry_of_a_star_is_kept_at_any_ratio(tmp_path, size):
    """64 to 47 and to 102 pixels, ratios 1.36 and 1/1.59: flux in an aperture of 4 sigma around the star, to 1 %."""
    y, x = np.mgrid[:64, :64]
    star = np.exp(-((x - 30.3) ** 2 + (y - 35.8) ** 2) / (2 * 2.0**2)) * 50 / (2 * math.pi * 2.0**2)
    point = np.zeros((64, 64))
    point[41, 22] = 50
    found = read_map(cube_file(tmp_path / "a.fits", np.stack([star, star, point]))).at(size)
    flux = found.flux.flip(1).double().numpy() * (64 / size) ** 2
    assert flux[2].sum() == pytest.approx(50, rel=1e-5)
    y, x = (np.mgrid[:size, :size] + 0.5) * 64 / size - 0.5
    aperture = np.hypot(x - 30.3, y - 35.8) < 8
    assert flux[0][aperture].sum() == pytest.approx(50, rel=0.01)


def test_what_was_not_measured_has_no_weight(tmp_path):
    values = maps(0, 36, 36).numpy()
    values[0, :, :13] = np.nan
    values[1, 17, 20] = np.inf
    found = read_map(cube_file(tmp_path / "a.fits", values), blank=-1).at(24)
    known = np.isfinite(values)
    light, seen = area_means(np.where(known, values, 0).astype(float), 24), area_means(known.astype(float), 24)
    expected = np.where(seen > 1e-9, light / np.maximum(seen, 1e-9), -1)
    np.testing.assert_allclose(found.flux.flip(1), expected, rtol=1e-5)
    assert (found.flux[0, :, :8] == -1).all() and not found.measured[0, :, :8].any() and found.measured[1:].all()
    kept = read_map(tmp_path / "a.fits", blank=math.nan).at(12)
    assert kept.flux[0, :, :4].isnan().all() and kept.flux[0, :, 4:].isfinite().all()


def test_a_distorted_map_keeps_its_place(tmp_path):
    cards = {
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "A_ORDER": 2,
        "B_ORDER": 2,
        "A_2_0": 1e-3,
        "B_1_1": 2e-3,
    }
    found = read_map(cube_file(tmp_path / "a.fits", **cards))
    small = found.at(16)
    pixels = np.array([[-0.5, 7.0, 15.5], [-0.5, 3.0, 15.5]])
    old = (pixels + 0.5) * 40 / 16 - 0.5 + np.array([[4], [0]])
    np.testing.assert_allclose(small.wcs.all_pix2world(*pixels, 0), found.wcs.all_pix2world(*old, 0), atol=1e-9)
    again = read_map(write_map(tmp_path / "b.fits", small))
    np.testing.assert_allclose(again.wcs.all_pix2world(*pixels, 0), small.wcs.all_pix2world(*pixels, 0), atol=1e-9)


NO_WAVES = dict.fromkeys(WAVES)


@pytest.mark.parametrize(
    ("cards", "bands"),
    [
        ({"CTYPE3": "WAVE", "CRVAL3": 3.6e-6, "CDELT3": 1e-6, "CUNIT3": "m"}, (5.6, 4.6, 3.6)),
        ({"CTYPE3": "WAVE", "CRVAL3": 3.6, "CDELT3": 1.0, "CUNIT3": "um"}, (5.6, 4.6, 3.6)),
        ({"CTYPE3": "FREQ", "CRVAL3": 1e12, "CDELT3": 1e12, "CUNIT3": "Hz"}, (299.792458, 149.896229, 99.9308193)),
    ],
)
def test_a_spectral_axis_says_the_wavelengths(tmp_path, cards, bands):
    values = maps().numpy()
    found = read_map(cube_file(tmp_path / "a.fits", values, CRPIX3=1.0, **cards, **NO_WAVES))
    assert found.bands == pytest.approx(bands)
    longest = 0 if cards["CTYPE3"] == "FREQ" else 2
    np.testing.assert_array_equal(found.flux[0].flip(0), values[longest])
    with pytest.raises(ValueError, match=r"a\.fits.*cannot be read \(no CUNIT3\)"):
        read_map(cube_file(tmp_path / "a.fits", values, **{**cards, **NO_WAVES, "CUNIT3": ""}))
    assert read_map(tmp_path / "a.fits", bands=(70, 160, 250)).bands == (250.0, 160.0, 70.0)


@pytest.mark.parametrize("kind", ["STOKES", "VRAD", "VELO-LSR", "VOPT"])
def test_planes_of_polarization_or_velocity_are_no_bands(tmp_path, kind):
    with pytest.raises(ValueError, match=rf"a\.fits.*has {kind} along axis 3, expected bands"):
        read_map(cube_file(tmp_path / "a.fits", CTYPE3=kind))
    with pytest.raises(ValueError, match=rf"a\.fits.*has {kind} along axis 1, expected the sky"):
        read_map(cube_file(tmp_path / "a.fits", CTYPE1=kind))


def test_axes_of_length_one_do_not_matter(tmp_path):
    values = maps().numpy()
    stokes = {"CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0}
    found = read_map(cube_file(tmp_path / "a.fits", values[None], **stokes))
    np.testing.assert_array_equal(found.flux.flip(1), values)
    with pytest.raises(ValueError, match="STOKES axis that is not I"):
        read_map(cube_file(tmp_path / "a.fits", values[None], **{**stokes, "CRVAL4": 2.0}))
    with pytest.raises(ValueError, match="STOKES axis that is not I"):
        read_map(cube_file(tmp_path / "a.fits", values[None], **{**stokes, "CRVAL4": "Q"}))
    hdus = [fits.PrimaryHDU()]
    for image, frequency in zip(values, (1.2e12, 1.2e13, 6e13), strict=True):
        cards = {"BUNIT": "MJy/sr", "CTYPE3": "FREQ", "CRVAL3": frequency, "CRPIX3": 1.0, "CDELT3": 1e9, "CUNIT3": "Hz"}
        hdus.append(fits.ImageHDU(image[None, None], fits.Header(cards)))
    fits.HDUList(hdus).writeto(tmp_path / "b.fits")
    assert read_map(tmp_path / "b.fits").bands == pytest.approx((249.827, 24.9827, 4.99654), rel=1e-5)


def test_wavelengths_are_said_given_or_assumed_aloud(tmp_path):
    bare = cube_file(tmp_path / "a.fits", **NO_WAVES)
    with pytest.warns(UserWarning, match="say no wavelengths"):
        assert read_map(bare).bands == (250.0, 24.0, 4.5)
    found = read_map(bare, bands=(70, 160, 500))
    assert found.bands == (500.0, 160.0, 70.0)
    torch.testing.assert_close(found.flux, maps().flip(0, 1))
    with pytest.raises(ValueError, match=r"b\.fits.*expected \(500\.0, 160\.0, 70\.0\) as bands= says"):
        read_map(cube_file(tmp_path / "b.fits"), bands=(500, 160, 70))
    text = images_file(tmp_path / "c.fits", maps().numpy(), waves=("0.25 mm", "24 um", "4.5"))
    assert read_map(text).bands == pytest.approx((250, 24, 4.5))
    for bad in ("red", "24 Jy", -3.0):
        with pytest.raises(ValueError, match=r"c\.fits.*WAVELEN = .*expected micrometers"):
            read_map(images_file(tmp_path / "c.fits", maps().numpy(), waves=(250.0, bad, 4.5)))
    for bad in ((1, 2), (1, 1, 2), "abc"):
        with pytest.raises(ValueError, match="expected three different wavelengths"):
            read_map(bare, bands=bad)


def test_what_is_written_keeps_its_bands(tmp_path):
    found = read_map(cube_file(tmp_path / "a.fits", WAVELEN1=500.0, WAVELEN2=160.0, WAVELEN3=70.0))
    again = read_map(write_map(tmp_path / "b.fits.gz", found.at(24)))
    assert again.bands == (500.0, 160.0, 70.0) and again.pixel_scale == pytest.approx(10.0)
    assert gzip.decompress((tmp_path / "b.fits.gz").read_bytes())[:6] == b"SIMPLE"
    assert read_map(write_map(tmp_path / "c.fits", maps(), bands=(3.6, 8, 24))).bands == (24.0, 8.0, 3.6)
    with pytest.raises(ValueError, match="those of the map"):
        write_map(tmp_path / "d.fits", found, bands=(250, 24, 4.5))
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        write_map(tmp_path / "none" / "d.fits", found)


def test_errors_and_masks_are_no_bands(tmp_path):
    flux = maps().numpy()
    names = ("SCI1", "SCI1_ERR", "SCI2", "DQ", "SCI3", "SKYMODEL")
    images = (flux[0], 0 * flux[0], flux[1], 0 * flux[0], flux[2], 0 * flux[0])
    waves = (250.0, None, 24.0, None, 4.5, None)
    file = images_file(tmp_path / "a.fits", images, names, (None,) * 6, waves)
    np.testing.assert_array_equal(read_map(file).flux.flip(1), flux)
    file = images_file(tmp_path / "b.fits", flux, ("SCI", "ERR", "SKYMODEL"))
    with pytest.raises(ValueError, match=r"b\.fits.*holds \(40, 48\) beside ERR, SKYMODEL, expected"):
        read_map(file)
    for planes in (("SCI", "err", "SKYMODEL"), (1, 2, 3), ("SCI,1", 2, "skymodel,1")):
        np.testing.assert_array_equal(read_map(file, planes=planes).flux.flip(1), flux)
    for planes, told in (("none", "names 0 images"), (("SCI", "SCI", "ERR"), "expected one cube")):
        with pytest.raises(ValueError, match=rf"{told}.*b\.fits|b\.fits.*{told}"):
            read_map(file, planes=planes)


def field(wcs, height, width):
    """A smooth sky: two Gaussians of 40 arcseconds around the center of `sky`, in MJy/sr."""
    place = wcs.pixel_to_world(*np.mgrid[:height, :width][::-1]).icrs
    east = (place.ra.deg - 274.7) * math.cos(math.radians(-13.8)) * 3600
    north = (place.dec.deg + 13.8) * 3600
    return np.exp(-(east**2 + north**2) / 3200) + 3 * np.exp(-((east - 40) ** 2 + (north + 25) ** 2) / 3200)


def turned(height, width, scale):
    """The field of `sky` along galactic coordinates."""
    wcs = wcs_module.WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cunit = ("GLON-TAN", "GLAT-TAN"), ("deg", "deg")
    center = sky().pixel_to_world(23.5, 19.5).galactic
    wcs.wcs.crval, wcs.wcs.crpix = (center.l.deg, center.b.deg), (width / 2 + 0.5, height / 2 + 0.5)
    wcs.wcs.cdelt = -scale / 3600, scale / 3600
    wcs.wcs.set()
    return wcs


def test_images_are_brought_to_the_grid_of_the_first(tmp_path):
    """One sky, seen on three grids: at 6 arcseconds, along galactic axes at 4, and at 2."""
    skies = (sky(), turned(100, 100, 4.0), sky(150, 180, 2.0))
    images = [field(skies[0], 40, 48), field(skies[1], 100, 100), field(skies[2], 150, 180)]
    found = read_map(images_file(tmp_path / "a.fits", images, skies=skies))
    for band in (1, 2):
        np.testing.assert_allclose(found.flux[band], found.flux[0], atol=0.03)
        assert found.flux[band].sum() == pytest.approx(float(found.flux[0].sum()), rel=1e-3)
    assert found.pixel_scale == pytest.approx(6.0)


def test_a_map_of_the_whole_sky_is_not_resampled(tmp_path):
    """Beyond the ellipse of an Aitoff projection there is no sky, but there are pixels."""
    wcs = wcs_module.WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix, wcs.wcs.cdelt = ("GLON-AIT", "GLAT-AIT"), (24.5, 20.5), (-7.5, 7.5)
    flux = maps().numpy()
    found = read_map(images_file(tmp_path / "a.fits", flux, skies=(wcs, wcs, wcs)))
    np.testing.assert_array_equal(found.flux.flip(1), flux)


def test_a_star_between_pixels_keeps_its_flux_on_another_grid(tmp_path):
    star = np.zeros((150, 180))
    star[60:62, 77] = 9.0
    skies = (sky(), sky(150, 180, 2.0), turned(100, 100, 4.0))
    file = images_file(tmp_path / "a.fits", [np.zeros((40, 48)), star, np.ones((100, 100))], skies=skies)
    assert float(read_map(file).flux[1].sum()) * 36 == pytest.approx(18 * 4, rel=0.03)


def test_images_of_other_fields_are_refused(tmp_path):
    flux, near, far = maps().numpy(), sky(), sky()
    far.wcs.crval = 94.7, 13.8
    with pytest.raises(ValueError, match=r"a\.fits.*B.*A.*one field"):
        read_map(images_file(tmp_path / "a.fits", flux, skies=(near, far, near)))
    with pytest.raises(ValueError, match=r"a\.fits.*B \(40, 48\) and A \(40, 48\), expected.*a WCS each"):
        read_map(images_file(tmp_path / "a.fits", flux, skies=(near, None, near)))
    with pytest.raises(ValueError, match=r"a\.fits.*expected images of one shape"):
        read_map(images_file(tmp_path / "a.fits", (flux[0], flux[1, 1:], flux[2])))
    near.wcs.crpix = near.wcs.crpix - np.array([20, 0])
    file = images_file(tmp_path / "a.fits", flux, skies=(sky(), near, sky()))
    found = read_map(file, blank=math.nan)
    np.testing.assert_allclose(found.flux[1, :, 20:], flux[1, ::-1, :28], rtol=1e-5)
    assert found.flux[1, :, :20].isnan().all() and found.flux[0].isfinite().all()
    with pytest.raises(ValueError, match="without a measurement"):
        read_map(file)


@pytest.mark.parametrize(
    "cards",
    [
        {"CDELT1": 0.0},
        {"CTYPE2": "LINEAR"},
        {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        {"CUNIT1": "furlong"},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": 1e-5},
        {"CPDIS1": "LOOKUP", "CPDIS2": "LOOKUP"},
        {"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB", "PS1_0": "X", "PS2_0": "X"},
        {"CRVAL1": "north"},
    ],
)
def test_a_fault_in_the_wcs_matters_where_the_wcs_does(tmp_path, cards):
    with pytest.warns(UserWarning, match=r"a\.fits.*read without one"):
        assert read_map(cube_file(tmp_path / "a.fits", **cards)).at(20).wcs is None
    with pytest.raises(ValueError, match=r"a\.fits.*'Jy/pixel'.*lacks a celestial WCS"):
        read_map(cube_file(tmp_path / "a.fits", BUNIT="Jy/pixel", **cards))


def test_scaled_integers_and_their_blanks(tmp_path):
    counts = np.arange(3 * 16 * 16, dtype=np.int16).reshape(3, 16, 16)
    counts[:, 2, 3] = -999
    for scale, zero in ((0.5, 100.0), (1.0, 0.0)):
        file = cube_file(tmp_path / "a.fits", counts, BLANK=-999)
        with fits.open(file, mode="update", do_not_scale_image_data=True) as opened:
            opened[0].header["BSCALE"], opened[0].header["BZERO"] = scale, zero
        found = read_map(file, blank=-7).flux.flip(1).numpy()
        assert (found[:, 2, 3] == -7).all() and found[1, 0, 0] == scale * 256 + zero and (found == -7).sum() == 3


def test_compressed_files_are_read_and_found(tmp_path):
    flux = maps().numpy()
    file = cube_file(tmp_path / "plain.fits", flux)
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(file.read_bytes()))
    (tmp_path / "b.fits.bz2").write_bytes(bz2.compress(file.read_bytes()))
    hdu = fits.CompImageHDU(flux, fits.getheader(file), compression_type="GZIP_2", quantize_level=0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "c.fits.fz")
    assert len(ood.open_folder(tmp_path).files) == 4
    for found in map(read_map, ood.open_folder(tmp_path).files):
        np.testing.assert_array_equal(found.flux.flip(1), flux)
        assert found.bands == (250.0, 24.0, 4.5) and found.pixel_scale == pytest.approx(6.0)
    hdu = fits.CompImageHDU(np.zeros((3, 512, 512), np.int16), fits.Header({**CARDS, "BLANK": -9}))
    hdu.data[:, 5, 6] = -9
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "d.fits.fz")
    assert (tmp_path / "d.fits.fz").stat().st_size < hdu.data.nbytes / 10
    found = read_map(tmp_path / "d.fits.fz", blank=2.0).flux.flip(1)
    assert (found[:, 5, 6] == 2).all() and found.sum() == 6


def test_units_that_are_no_surface_brightness_are_refused(tmp_path):
    for unit in ("Jy", "K", "mag/arcsec2", "dex(MJy/sr)", "adu", "MJY/BEAM", "mjy/sr", "W/m^2-sr", "light"):
        with pytest.raises(ValueError, match=r"a\.fits.*expected a surface brightness"):
            read_map(cube_file(tmp_path / "a.fits", BUNIT=unit, BMAJ=0.01, BMIN=0.01))
    for beam in ("wide", 0.0, -1.0):
        with pytest.raises(ValueError, match=r"a\.fits.*Jy/beam"):
            read_map(cube_file(tmp_path / "a.fits", BUNIT="Jy/beam", BMAJ=beam, BMIN=0.01))


def test_damaged_files_are_named(tmp_path):
    whole = cube_file(tmp_path / "a.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(whole[:-5000])
    (tmp_path / "wide.fits").write_bytes(whole.replace(b"NAXIS1  =           ", b"NAXIS1  = 2400000000"))
    (tmp_path / "none.fits").write_bytes(b"")
    (tmp_path / "wide.fits.gz").write_bytes(gzip.compress((tmp_path / "wide.fits").read_bytes()))
    (tmp_path / "cut.fits.gz").write_bytes(gzip.compress(whole)[:-3000])
    (tmp_path / "card.fits").write_bytes(whole.replace(b"BUNIT   = 'MJy/sr  '", b"BUNIT   = @@         "))
    for name in ("card.fits", "short.fits", "wide.fits", "wide.fits.gz", "none.fits", "cut.fits.gz"):
        with pytest.raises(ValueError, match=rf"{name}.*cannot be read as FITS"):
            read_map(tmp_path / name)


def test_maps_that_are_not_asked_for_do_not_block_a_folder(tmp_path):
    values = maps(0, 32, 48).numpy()
    values[:, :, :8] = np.nan
    cube_file(tmp_path / "a.fits", values)
    cube_file(tmp_path / "b.fits", np.full((3, 32, 32), np.nan))
    (tmp_path / "c.fits").write_text("no map")
    order = [str(ood.domain_parameters(tmp_path, 1, 0, start)["file"][0])[-6] for start in range(3)]
    images = ood.load_domain(tmp_path, 1, 32, start=order.index("a"))
    torch.testing.assert_close(images, ood.load_domain(tmp_path, 1, 32, start=order.index("a"), blank=3.0))
    with pytest.raises(ValueError, match=r"b\.fits.*pass blank="):
        ood.load_domain(tmp_path, 1, 32, start=order.index("b"))
    assert ood.load_domain(tmp_path, 1, 32, start=order.index("b"), blank=0.0).eq(-1).all()
    with pytest.raises(ValueError, match=r"c\.fits.*cannot be read"):
        ood.load_domain(tmp_path, 1, 32, start=order.index("c"), blank=0.0)
    with pytest.raises(TypeError, match=r"blank: got 0\.0, expected no such option for 'dog' \(part is one of real"):
        ood.load_domain("dog", 1, 32, blank=0.0)


def test_a_band_without_light_needs_a_stretch_of_its_own(tmp_path):
    values = maps(0, 32, 32).numpy()
    values[1] = 0
    cube_file(tmp_path / "a.fits", values)
    with pytest.raises(ValueError, match=rf"{tmp_path.name}.*100\.00%, 0\.00%, 100\.00% are above 0"):
        ood.load_domain(tmp_path, 1, 32)
    save_stretch(tmp_path, Stretch((3e3, 4e2, 20.0)))
    assert ood.load_domain(tmp_path, 1, 32)[:, 1].eq(-1).all()
    cube_file(tmp_path / "a.fits", 0 * values)
    assert ood.load_domain(tmp_path, 1, 32).eq(-1).all()


def test_a_folder_has_maps_of_the_same_bands(tmp_path):
    cube_file(tmp_path / "a.fits")
    cube_file(tmp_path / "b.fits", WAVELEN1=500.0)
    with pytest.raises(ValueError, match=r"micrometers, expected \(.*\) as of"):
        load_maps(tmp_path, 2, 32)
    cube_file(tmp_path / "b.fits", **NO_WAVES)
    assert load_maps(tmp_path, 2, 32, bands=(250, 24, 4.5)).shape == (2, 3, 32, 32)
