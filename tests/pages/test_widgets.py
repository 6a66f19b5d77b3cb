"""The slider: one frame shows without scripts, all travel in the page, bad input is named."""

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from ood_helpers.pages.widgets import slider

FRAMES = [np.full((4, 6, 3), value) for value in (0.0, 0.5, 1.0)]


def test_the_first_frame_shows_and_all_are_in_the_page():
    page = BeautifulSoup(slider(FRAMES, ["0", "a < b", "it's"], alt="gray", zoom=3, name="η").data, "html.parser")
    picture, bar = page.img, page.input
    assert picture["alt"] == "gray" and "width: 18px" in picture["style"]
    assert (bar["min"], bar["max"]) == ("0", "2") and page.output.get_text() == "0"
    assert picture["src"].startswith("data:image/png;base64,") and picture["src"] in bar["oninput"]
    assert bar["oninput"].count("data:image/png") == 3
    assert '["0", "a < b", "it\'s"]' in bar["oninput"]  # as text, which needs no escapes


def test_a_batch_of_images_shows_as_its_pictures_do():
    batch = torch.stack([torch.full((3, 4, 6), value) for value in (-1.0, 0.0, 1.0)])
    assert slider(batch, "abc", alt="gray").data == slider(FRAMES, "abc", alt="gray").data


@pytest.mark.parametrize(
    ("frames", "labels", "message"),
    [
        (FRAMES, ["one"], "labels: got 1 for 3 frames"),
        ([], [], "labels: got 0 for 0 frames"),
        ([FRAMES[0], np.zeros((2, 2, 3))], ["a", "b"], "frames: differ in size"),
    ],
)
def test_bad_input_is_named(frames, labels, message):
    with pytest.raises(ValueError, match=message):
        slider(frames, labels, alt="gray")
