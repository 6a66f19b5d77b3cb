"""Rating: whatever is clicked, taken back and interrupted, the file holds the answers that stand."""

from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ood_helpers.opinion import panel as panels
from ood_helpers.opinion.panel import PAUSE, rate
from ood_helpers.opinion.panel import Session as AnySession
from ood_helpers.opinion.study import CALLS, SCORES, prepare

IMAGES = 5


@pytest.fixture
def clock(monkeypatch):
    """Time that moves when it is told to."""
    now = [0.0]
    monkeypatch.setattr(panels, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    images = torch.rand(IMAGES, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("opinion") / "study"
    prepare(path, {"generated": images[:2], "raw": images[2:]}, seed=0, title="Galaxies")
    return path


def Session(folder, rater, second=True, output=None):
    return AnySession(folder, rater, second, output)


def answers(session):
    return [(row["image"], row["score"], row["called"]) for row in session.rows]


CLICKS = st.one_of(st.integers(1, 5), st.sampled_from(["raw", "generated", "back", "close"]))


@settings(max_examples=60, deadline=None)
@given(clicks=st.lists(CLICKS, max_size=30), second=st.booleans())
def test_clicks_undone_and_interrupted_leave_the_answers_that_stand(folder, clicks, second):
    """The truth is a pile: an answer is laid on it, "back" takes the uppermost away, closing the panel does nothing."""
    pile = []
    with TemporaryDirectory() as output:
        session = Session(folder, "anna", second=second, output=output)
        for click in clicks:
            asked = () if len(pile) == IMAGES * (1 + second) else CALLS if second and len(pile) % 2 else SCORES
            assert session.choices == asked
            if click == "close":
                session = Session(folder, "anna", second=second, output=output)
            elif click == "back":
                session.back()
                pile = pile[:-1]
            elif click in asked:
                session.answer(click)
                pile.append(click)
            else:
                with pytest.raises(ValueError, match=f"value: got {click!r}, expected one of"):
                    session.answer(click)
        scores, calls = (pile[::2], [*pile[1::2], ""]) if second else (pile, [""] * len(pile))
        wanted = list(zip(session.order, scores, calls, strict=False))
        assert answers(session) == answers(Session(folder, "anna", second=second, output=output)) == wanted


def test_a_rating_holds_what_was_seen(folder, tmp_path):
    session = Session(folder, "anna", output=tmp_path)
    first = session.image
    session.answer(4)
    assert session.image == first and session.choices == CALLS
    session.answer("raw")
    lines = (tmp_path / "ratings-anna.csv").read_text().splitlines()
    assert lines == ["study,rater,image,called,score", f"{session.study.identifier},anna,{first},raw,4"]
    assert session.image == session.order[1] != first
    assert [path.name for path in tmp_path.iterdir()] == ["ratings-anna.csv"]


def test_a_faulty_file_is_not_written_over(folder, tmp_path):
    session = Session(folder, "anna", output=tmp_path)
    session.answer(5)
    broken = session.path.read_text().replace(",5\n", ",6\n")
    session.path.write_text(broken)
    with pytest.raises(ValueError, match=r"ratings-anna\.csv, line 2: score: got '6'"):
        Session(folder, "anna", output=tmp_path)
    (tmp_path / "ratings-ben.csv").write_text(broken.replace(",6\n", ",5\n"))
    with pytest.raises(ValueError, match=r"ratings-ben\.csv, line 2: rater: got 'anna', expected 'ben'"):
        Session(folder, "ben", output=tmp_path)
    assert session.path.read_text() == broken


def test_two_windows_do_not_overwrite_each_other(folder, tmp_path):
    first, second = (Session(folder, "anna", output=tmp_path) for _ in range(2))
    first.answer(2)
    with pytest.raises(RuntimeError, match="changed by another window"):
        second.answer(3)
    assert answers(Session(folder, "anna", output=tmp_path)) == answers(first)
    assert second.rows == []


def test_bad_input_is_named(folder, tmp_path):
    for name, message in (("anna b", "expected a name of 1 to 60"), ("Simulated-1", "does not begin with 'simulated'")):
        with pytest.raises(ValueError, match=message):
            Session(folder, name, output=tmp_path)
    with pytest.raises(FileNotFoundError, match="output: no folder"):
        Session(folder, "anna", output=tmp_path / "absent")
    session = Session(folder, "anna", output=tmp_path)
    for value in (0, 6, "raw", 2.5):
        with pytest.raises(ValueError, match="value: got"):
            session.answer(value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def panel(folder, tmp_path, clock):
    return rate(folder, "anna", output=tmp_path)


def click(button, clock):
    """Click as a person does, a second after the last click."""
    clock(1)
    button.click()


def png(session, image):
    return (session.study.folder / f"{image}.png").read_bytes()


def test_the_panel_asks_both_questions_of_every_image(panel, clock):
    session = panel.session
    for number, image in enumerate(session.order):
        assert panel.picture.value == png(session, image)
        assert not panel.buttons[3].disabled and panel.buttons["raw"].disabled
        assert panel.message.value == f"{number} of {IMAGES} images rated"
        click(panel.buttons[1 + number % 5], clock)
        assert panel.picture.value == png(session, image)
        assert panel.buttons[3].disabled and not panel.buttons["raw"].disabled
        click(panel.buttons["generated" if number % 2 else "raw"], clock)
    assert [row["score"] for row in session.rows] == [1, 2, 3, 4, 5]
    assert [row["called"] for row in session.rows] == ["raw", "generated", "raw", "generated", "raw"]
    assert panel.message.value == f"All {IMAGES} images are rated, thank you: {session.path}"
    assert panel.picture.value == b"" and all(button.disabled for button in panel.buttons.values())
    assert not panel.back.disabled and "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()


def test_back_corrects_the_last_answer(panel, clock):
    assert panel.back.disabled
    for button in (panel.buttons[1], panel.back):
        click(button, clock)
    assert panel.back.disabled and panel.session.image == panel.session.order[0]
    for button in (panel.buttons[2], panel.buttons["raw"], panel.back):
        click(button, clock)
    assert panel.picture.value == png(panel.session, panel.session.order[0])
    click(panel.buttons["generated"], clock)
    assert answers(panel.session) == [(panel.session.order[0], 2, "generated")]


def test_neither_the_words_nor_the_markup_tell_the_group(panel, clock):
    """All that differs from image to image is the image and how many were rated."""
    state = {key: value for key, value in panel.picture.get_state().items() if key != "value"}
    for number in range(IMAGES):
        assert panel.message.value == f"{number} of {IMAGES} images rated"
        assert {key: value for key, value in panel.picture.get_state().items() if key != "value"} == state
        for button in (panel.buttons[3], panel.buttons["raw"]):
            click(button, clock)


def test_a_title_is_shown_as_it_is_written(tmp_path):
    groups = {"generated": torch.zeros(1, 3, 4, 4), "raw": torch.ones(1, 3, 4, 4)}
    prepare(tmp_path / "study", groups, seed=0, title="a < b")
    assert rate(tmp_path / "study", "anna").children[0].value == "a < b"


def test_a_double_click_counts_once(folder, tmp_path, clock):
    panel = rate(folder, "anna", second=False, output=tmp_path)
    for seconds in (2, PAUSE / 2, 2):
        clock(seconds)
        panel.buttons[3].click()
    assert len(panel.session.rows) == 2
    for seconds in (2, PAUSE / 2):
        clock(seconds)
        panel.back.click()
    assert len(panel.session.rows) == 1


def test_what_could_not_be_saved_is_said(panel, clock):
    click(panel.buttons[1], clock)
    panel.session.path.unlink()
    click(panel.buttons["raw"], clock)
    assert panel.message.value.startswith("<b>Not saved") and "another window" in panel.message.value
    assert answers(panel.session) == [(panel.session.order[0], 1, "")]


def test_rate_shows_a_panel_that_keeps_its_file_beside_the_images(folder):
    shown = rate(folder, "carla", second=False)
    assert shown.session.path == folder / "raters" / "ratings-carla.csv" and not shown.session.path.exists()
    assert len(shown.children) == 4 and rate(folder / "raters", "carla").session.path == shown.session.path
