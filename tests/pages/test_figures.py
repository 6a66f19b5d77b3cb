"""Figures: a domain looks the same in all of them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from ood_helpers import list_domains
from ood_helpers.domains import pictures
from ood_helpers.pages import figures
from ood_helpers.theory.concentration import ball_above


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_domain_has_one_color_and_marker_whatever_stands_beside_it():
    lines = {name: ((1, 2), (1, 2)) for name in ("dog", "drawn", "galaxy")}
    many, few = (figures.curves(lines | more, xlabel="x", ylabel="y") for more in ({}, {"cat": ((1, 2), (1, 2))}))
    for first, second in zip(many.lines, few.lines, strict=False):
        if first.get_label() != "drawn":
            assert (first.get_color(), first.get_marker()) == (second.get_color(), second.get_marker())
    assert len({line.get_color() for line in few.lines}) == 4


def shown(figure):
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_images_and_pictures_may_stand_in_one_grid():
    images = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    ready, gray = np.full((8, 8, 3), 0.25), np.full((8, 8), 0.5)
    figure = figures.picture_grid({"batch": images, "mixed": [images[2], ready, gray], "thin": images[:1, :1]}, "abc")
    by_hand = ((images.clamp(-1, 1) + 1) / 2).permute(0, 2, 3, 1).numpy()
    found = shown(figure)
    assert len(found) == 7 and len(figure.axes) == 9
    for picture, truth in zip(found, [*by_hand, by_hand[2], ready, gray, by_hand[0, :, :, :1]], strict=True):
        assert picture == pytest.approx(np.broadcast_to(truth, picture.shape), abs=1e-6)
    assert found[-1].shape == (8, 8, 3)
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["batch", "mixed", "thin"]
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "image",
    [torch.zeros(8, 8), torch.zeros(8, 8, 3), torch.zeros(2, 3, 8, 8), np.zeros((3, 8, 8)), np.zeros(8), [[0.0]]],
)
def test_what_is_no_picture_is_named(image):
    with pytest.raises(ValueError, match=r"picture: got .* of shape .*, expected a tensor \(C, H, W\)"):
        figures.picture_grid({"row": [image]})


def test_histograms_show_samples_and_laws():
    _, (ax,) = figures.panels(1)
    figures.histograms({"cat": np.arange(9.0)}, xlabel="x", ax=ax, laws={"law": ([0, 1], [1, 1])})
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"cat", "law"}


def test_tails_have_one_legend_entry_for_three_lines():
    _, (ax,) = figures.panels(1)
    figures.tails([10, 100], {"c = 1": ball_above([10, 100], 1.0)}, ax=ax)
    assert len(ax.lines) == 3 and len(ax.get_legend().get_texts()) == 1


def test_a_contour_map_draws_the_borders_that_lie_inside_it():
    _, axes = figures.panels(4, rows=2)
    rate = np.array([[0.0, 0.05], [0.0, 1.0]])
    figures.contour_map(rate, 0 * rate, (0, 1), (200, 800), ax=axes[0], title="cat")
    figures.contour_map(rate, rate, (0, 1), (200, 800), ax=axes[1], title="cat")
    filled_and_one, filled_and_two = (len(ax.collections) for ax in axes[:2])
    assert (filled_and_one, filled_and_two) == (3, 5)  # a border is a white line on a black one


def test_a_sheet_is_read_back_as_it_was_written(tmp_path):
    images = torch.rand((6, 3, 8, 8), generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures.save_sheet(images, tmp_path / "sheet.png", columns=3, zoom=1)
    sheet = pictures.read_sheet(tmp_path / "sheet.png", size=8)
    assert sheet.shape == (2, 3, 8, 8, 3)
    assert np.abs(sheet[1, 2] - pictures.to_picture(images[5])).max() <= 0.5 / 255 + 1e-6
    with pytest.raises(ValueError, match="size: got 7, but the sheet"):
        pictures.read_sheet(tmp_path / "sheet.png", size=7)


def test_dots_stand_where_the_values_are_and_the_floor_reaches_where_it_should():
    _, (ax,) = figures.panels(1)
    found = {"a": {"x": 0.1, "y": 3.0}, "b": {"x": 0.2, "y": 1.0}}
    figures.dots(found, xlabel="distance", ax=ax, floor={"x": 0.15, "y": 0.4})
    assert [list(line.get_xdata()) for line in ax.lines] == [[0.1, 3.0], [0.2, 1.0]]
    assert [patch.get_width() for patch in ax.patches] == [0.15, 0.4]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y"]


def test_labels_have_colors_and_markers_whatever_their_names_are():
    """A domain keeps its own, real domains and others take what is left, and there are ten."""
    names = list_domains()
    numbers = figures._numbers(["texture", names[2], "other"])
    assert numbers[1] == 2 and len(set(numbers)) == 3 and max(numbers) < 10
    with pytest.raises(ValueError, match="labels: got 11, expected at most 10"):
        figures._numbers(map(str, range(11)))
