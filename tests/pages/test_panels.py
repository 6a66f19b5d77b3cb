"""Panels: a control moves what is shown, Reset goes back, the code shown is the code that ran; pages show the first."""

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from ood_helpers.pages import figures, panels

FIRST = {
    "walk": {"steps": 2},
    "whiteness": {},
    "annulus": {},
    "two_clouds": {},
    "noisy_return": {"eta": 1.0},
    "between": {},
    "schedule": {},
    "workload": {},
    "budget": {},
    "dark_sky": {},
}


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, and the calls of a function under two controls."""
    displayed, calls = [], []
    monkeypatch.setattr("IPython.display.display", displayed.append)

    def show(a=1, b="x"):
        calls.append((a, b))
        return plt.figure()

    return displayed, calls, show


def test_a_panel_follows_its_controls_and_goes_back(shown):
    displayed, calls, show = shown
    panels.panel(show, a=(2, 1, 3), b=("x", "y"))
    (box,) = (what for what in displayed if isinstance(what, ipywidgets.VBox))
    a, b, reset, code, _ = box.children
    assert a.options == (1, 2, 3) and (a.value, b.value) == (2, "x") and calls == [(2, "x")]
    a.value, b.value = 3, "y"
    assert calls[-1] == (3, "y") and code.value == "<code>panels.show(a=3, b='y')</code>"
    reset.click()
    assert (a.value, b.value) == (2, "x") and calls[-1] == (2, "x")


def test_a_page_shows_what_the_panel_shows_at_first(shown, monkeypatch):
    displayed, calls, show = shown
    monkeypatch.setenv(panels.STATIC, "1")
    panels.panel(show, a=(2, 1), b=("x", "y"))
    assert calls == [(2, "x")] and len(displayed) == 1 and isinstance(displayed[0], Figure)


@pytest.mark.parametrize("name", FIRST)
def test_every_chapters_panel_draws(name):
    figures.use_book_style()
    drawn = getattr(panels, name)(**FIRST[name])
    assert isinstance(drawn, Figure) and drawn.axes
    plt.close("all")


def test_new_points_are_called_right_as_often_as_the_law_says():
    """With 2,000 points in 200 dimensions a share has a standard error of 0.01."""
    figure = panels.two_clouds(n=2_000, distance=0.4, d=200)
    called, expected = np.array(figure.axes[0].get_title().replace(",", "").split(" "))[[4, 6]].astype(float)
    assert abs(called - expected) < 0.04
    plt.close("all")
