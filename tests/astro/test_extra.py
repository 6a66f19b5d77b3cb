"""Astronomy as an extra: nothing needs its packages until they are used, and what lacks them says how to get them."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

import ood_helpers as ood
from ood_helpers.astro import fits, write_map
from ood_helpers.domains.folder import readers

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("astropy", "photutils", "statmorph")))
import torch, ood_helpers as ood
from ood_helpers import astro
from pathlib import Path

names = {name: getattr(astro, name) for name in astro.__all__}
folder, maps = Path(sys.argv[1]), torch.rand(1, 3, 32, 32)
assert list(ood.domain_parameters(folder, 1)) == ["file"] and ood.domain_fingerprint(folder)
for call in (
    lambda: ood.load_domain(folder, 1, 32),
    lambda: astro.read_map(folder / "a.fits"),
    lambda: astro.write_map(folder / "b.fits", maps[0]),
    lambda: astro.load_maps(folder, 1),
    lambda: astro.dust_statistics(maps),
    lambda: astro.morphology(maps[0]),
):
    try:
        call()
    except ImportError as error:
        assert "is needed for astronomy" in str(error) and "pip install 'ood-helpers[astro]'" in str(error), error
    else:
        raise AssertionError("nothing was missing")
"""


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_lacks_its_package_says_how_to_install_it(tmp_path):
    write_map(tmp_path / "a.fits", torch.rand(3, 32, 32))
    run(WITHOUT, tmp_path)


def test_importing_astronomy_loads_none_of_its_packages():
    heavy = "{'astropy', 'photutils', 'statmorph'} & set(sys.modules)"
    run(f"import sys; from ood_helpers import astro; [getattr(astro, n) for n in astro.__all__]; assert not {heavy}")


def test_the_core_finds_astronomy_by_its_entry_point_alone():
    assert [point.value for point in entry_points(group="ood_helpers.readers")] == ["ood_helpers.astro.fits"]
    assert readers()[1:] == (fits,)
    for room in ("models", "domains", "kernels", "latents", "evaluation"):
        for file in (Path(ood.__file__).parent / room).rglob("*.py"):
            assert not re.search(r"(import|from) astropy", file.read_text()), file


def test_a_folder_is_walked_once_a_batch_and_its_stretch_fitted_once(tmp_path, monkeypatch):
    """Of 3 maps without a saved stretch, 3 batches of one each: 3 maps read for the stretch and one for each batch."""
    for k in range(3):
        write_map(tmp_path / f"{k}.fits", torch.rand(3, 32, 32) + 1)
    read, walked, walk = [], [], ood.domains.folder.os.walk
    whole = fits.read_map
    monkeypatch.setattr(fits, "read_map", lambda file, **given: read.append(file) or whole(file, **given))
    monkeypatch.setattr(ood.domains.folder.os, "walk", lambda top, **given: walked.append(top) or walk(top, **given))
    apart = torch.cat([ood.load_domain(tmp_path, 1, 32, start=start) for start in range(3)])
    assert len(walked) == 3 and len(read) == 3 + 3
    torch.testing.assert_close(apart, ood.load_domain(tmp_path, 3, 32), rtol=0, atol=0)


def test_maps_are_not_sought_among_images(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="folder: no FITS file in"):
        fits.load_maps(tmp_path, 1)
