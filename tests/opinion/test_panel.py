"""Rating: whatever is clicked, taken back and interrupted, the file holds the answers that stand."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from ood_helpers.opinion.panel import CALL, PAUSE, SCORE, Panel, Session, rate
from ood_helpers.opinion.records import parse
from ood_helpers.opinion.study import prepare

IMAGES = 5


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    images = torch.rand(IMAGES, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("opinion") / "study"
    prepare(path, {"generated": images[:2], "raw": images[2:]}, seed=0, title="Galaxies")
    return path


def answers(session):
    return [(rating.image, rating.score, rating.called) for rating in session.ratings]


CLICKS = st.one_of(st.integers(1, 5), st.sampled_from(["raw", "generated", "back", "close"]))


@settings(max_examples=60, deadline=None)
@given(clicks=st.lists(CLICKS, max_size=30), second=st.booleans())
def test_clicks_undone_and_interrupted_leave_the_answers_that_stand(folder, clicks, second):
    """The truth is a pile: an answer is laid on it, "back" takes the uppermost away, closing the panel does nothing."""
    pile = []
    with TemporaryDirectory() as output:
        session = Session(folder, "anna", second=second, output=output)
        for click in clicks:
            asked = None if len(pile) == IMAGES * (1 + second) else CALL if second and len(pile) % 2 else SCORE
            assert session.question == asked
            if click == "close":
                session = Session(folder, "anna", second=second, output=output)
            elif click == "back":
                session.back()
                pile = pile[:-1]
            elif (SCORE if isinstance(click, int) else CALL) == asked:
                (session.score if asked == SCORE else session.call)(click)
                pile.append(click)
            else:
                with pytest.raises(RuntimeError, match="answer: got one to"):
                    (session.score if isinstance(click, int) else session.call)(click)
        scores, calls = (pile[::2], [*pile[1::2], ""]) if second else (pile, [""] * len(pile))
        wanted = list(zip(session.order, scores, calls, strict=False))
        assert answers(session) == answers(Session(folder, "anna", second=second, output=output)) == wanted
        assert session.finished == (len(pile) // 2 if second else len(pile))


def test_a_rating_holds_what_was_seen_when_and_for_how_long(folder, tmp_path):
    clock = Clock()
    session = Session(folder, "anna", output=tmp_path, clock=clock)
    first = session.image
    clock.wait(3.25)
    session.score(4)
    clock.wait(2)
    assert session.image == first and session.question == CALL
    session.call("raw")
    lines = (tmp_path / "ratings-anna.csv").read_text().splitlines()
    assert lines[0] == "study,rater,image,score,called,seconds,time"
    assert lines[1] == f"{session.study.identifier},anna,{first},4,raw,3.25,2026-01-31T12:00:03Z"
    assert session.image == session.order[1] != first
    assert [path.name for path in tmp_path.iterdir()] == ["ratings-anna.csv"]


@pytest.mark.parametrize("cut", [1, 2, 15, 30, 43, 53])
def test_a_half_written_last_line_does_not_count(folder, tmp_path, cut):
    session = Session(folder, "anna", second=False, output=tmp_path)
    for score in (1, 2, 3):
        session.score(score)
    content = session.path.read_bytes()
    session.path.write_bytes(content[:-cut])
    again = Session(folder, "anna", second=False, output=tmp_path)
    assert answers(again) == answers(session)[:2] and again.image == session.order[2]
    again.score(3)
    assert answers(again) == answers(session)
    assert len(parse(again.path.read_bytes(), "file", again.study)) == 3


@pytest.mark.parametrize("content", ["", "study,ra"])
def test_a_file_that_was_hardly_begun_is_begun_again(folder, tmp_path, content):
    (tmp_path / "ratings-anna.csv").write_text(content)
    session = Session(folder, "anna", output=tmp_path)
    session.score(1)
    assert len(session.ratings) == 1


def test_a_faulty_file_is_not_written_over(folder, tmp_path):
    session = Session(folder, "anna", output=tmp_path)
    session.score(5)
    broken = session.path.read_text().replace(",5,", ",6,")
    session.path.write_text(broken)
    with pytest.raises(ValueError, match=r"ratings-anna\.csv, line 2: score: got '6'"):
        Session(folder, "anna", output=tmp_path)
    (tmp_path / "ratings-ben.csv").write_text(broken.replace(",6,", ",5,"))
    with pytest.raises(ValueError, match=r"ratings-ben\.csv, line 2: rater: got 'anna', expected 'ben'"):
        Session(folder, "ben", output=tmp_path)
    assert session.path.read_text() == broken


def test_two_windows_do_not_overwrite_each_other(folder, tmp_path):
    first, second = (Session(folder, "anna", output=tmp_path) for _ in range(2))
    first.score(2)
    with pytest.raises(RuntimeError, match="changed by another window"):
        second.score(3)
    assert answers(Session(folder, "anna", output=tmp_path)) == answers(first)
    assert second.ratings == ()


def test_bad_input_is_named(folder, tmp_path):
    for name, message in (("anna b", "expected a name of 1 to 60"), ("Simulated-1", "does not begin with 'simulated'")):
        with pytest.raises(ValueError, match=message):
            Session(folder, name, output=tmp_path)
    with pytest.raises(FileNotFoundError, match="output: no folder"):
        Session(folder, "anna", output=tmp_path / "absent")
    session = Session(folder, "anna", output=tmp_path)
    for answer, value in ((session.score, 0), (session.score, 6), (session.call, "real")):
        with pytest.raises(ValueError, match="value: got"):
            answer(value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def panel(folder, tmp_path):
    clock = Clock()
    shown = Panel(Session(folder, "anna", output=tmp_path, clock=clock))
    clock.wait(1)
    return shown


def click(panel, button):
    """Click as a person does, a second after the last click."""
    button.click()
    panel.session._clock.wait(1)


def shown(panel):
    """Return the tag of the image and the file that it shows."""
    tag = BeautifulSoup(panel.picture.value, "html.parser").img
    return tag, b64decode(tag["src"].removeprefix("data:image/png;base64,"))


def test_the_panel_asks_both_questions_of_every_image(panel):
    session = panel.session
    for number, image in enumerate(session.order):
        assert shown(panel)[1] == session.study.png(image)
        assert not panel.scores[3].disabled and panel.calls["raw"].disabled
        assert panel.message.value == f"{number} of {IMAGES} images rated" and panel.progress.value == number
        click(panel, panel.scores[1 + number % 5])
        assert shown(panel)[1] == session.study.png(image)
        assert panel.scores[3].disabled and not panel.calls["raw"].disabled
        click(panel, panel.calls["generated" if number % 2 else "raw"])
    assert [rating.score for rating in session.ratings] == [1, 2, 3, 4, 5]
    assert [rating.called for rating in session.ratings] == ["raw", "generated", "raw", "generated", "raw"]
    assert panel.message.value == f"All {IMAGES} images are rated, thank you. Your ratings are in {session.path}"
    assert panel.picture.value == "" and all(button.disabled for button in panel.scores.values())
    assert not panel.back.disabled and "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()


def test_back_corrects_the_last_answer(panel):
    assert panel.back.disabled
    click(panel, panel.scores[1])
    click(panel, panel.back)
    assert panel.back.disabled and panel.session.image == panel.session.order[0]
    click(panel, panel.scores[2])
    click(panel, panel.calls["raw"])
    click(panel, panel.back)
    assert shown(panel)[1] == panel.session.study.png(panel.session.order[0])
    click(panel, panel.calls["generated"])
    assert answers(panel.session) == [(panel.session.order[0], 2, "generated")]


def test_the_score_stays_marked_while_the_second_question_is_asked(panel):
    def marked():
        return [score for score, button in panel.scores.items() if button.button_style]

    assert marked() == []
    click(panel, panel.scores[4])
    assert marked() == [4]
    click(panel, panel.calls["raw"])
    assert marked() == []
    click(panel, panel.back)
    assert marked() == [4]
    click(panel, panel.back)
    assert marked() == []


def press(panel, keys):
    for key in keys:
        panel.keys.value = key
        assert panel.keys.value == ""
        panel.session._clock.wait(1)


def test_keys_answer_as_buttons_do(panel):
    first, second, *_ = panel.session.order
    press(panel, "r9x4")  # before the 4 nothing is an answer to what is asked
    assert answers(panel.session) == [(first, 4, "")]
    press(panel, "5G2b1r")
    assert answers(panel.session) == [(first, 4, "generated"), (second, 1, "raw")]
    assert panel.message.value == f"2 of {IMAGES} images rated"


def test_without_the_second_question_its_keys_do_nothing(folder, tmp_path):
    clock = Clock()
    panel = Panel(Session(folder, "anna", second=False, output=tmp_path, clock=clock))
    clock.wait(1)
    press(panel, "r3g2b")
    assert answers(panel.session) == [(panel.session.order[0], 3, "")] and "r" not in panel.keys.placeholder


@pytest.mark.parametrize(
    ("shape", "zoom", "width"), [((4, 4), 4, 256), ((64, 64), 4, 256), ((60, 90), 1, 180), ((300, 200), 2, 400)]
)
def test_small_images_are_enlarged_by_whole_numbers(tmp_path, shape, zoom, width):
    images = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    prepare(tmp_path / "study", {"generated": images[:1], "raw": images[1:]}, seed=0, zoom=zoom)
    tag, _ = shown(rate(tmp_path / "study", "anna"))
    assert (int(tag["height"]), int(tag["width"])) == (shape[0] * zoom, shape[1] * zoom)
    assert f"width: min(100%, {width}px, {50 * shape[1] / shape[0]:g}vh); height: auto" in tag["style"]
    assert ("pixelated" in tag["style"]) == (width > shape[1] * zoom)


def test_neither_the_words_nor_the_markup_tell_the_group(panel):
    """All that differs from image to image is the image and its place in the order."""
    for number in range(1, IMAGES + 1):
        tag, _ = shown(panel)
        assert tag["alt"] == f"Image {number} of {IMAGES}" and set(tag.attrs) == {
            "alt",
            "width",
            "height",
            "style",
            "src",
        }
        press(panel, "3r")


def test_a_title_is_shown_as_it_is_written(tmp_path):
    prepare(
        tmp_path / "study", {"generated": torch.zeros(1, 3, 4, 4), "raw": torch.ones(1, 3, 4, 4)}, seed=0, title="a < b"
    )
    assert rate(tmp_path / "study", "anna").box.children[0].value == "<b>a &lt; b</b>"


def test_a_double_click_counts_once(folder, tmp_path):
    clock = Clock()
    panel = Panel(Session(folder, "anna", second=False, output=tmp_path, clock=clock))
    for seconds in (2, PAUSE / 2, 2):
        clock.wait(seconds)
        panel.scores[3].click()
    assert len(panel.session.ratings) == 2
    for seconds in (2, PAUSE / 2):
        clock.wait(seconds)
        panel.back.click()
    assert len(panel.session.ratings) == 1


def test_what_could_not_be_saved_is_said(panel):
    click(panel, panel.scores[1])
    panel.session.path.unlink()
    click(panel, panel.calls["raw"])
    assert panel.message.value.startswith("<b>Not saved:</b> ") and "another window" in panel.message.value
    assert answers(panel.session) == [(panel.session.order[0], 1, "")]


def test_an_answer_that_was_saved_is_not_taken_for_lost_when_the_images_vanish(tmp_path):
    images = torch.rand(3, 3, 8, 8) * 2 - 1
    study = prepare(tmp_path / "s", {"generated": images, "raw": images.flip(0)}, seed=1)
    clock = Clock()
    panel = Panel(Session(study.folder, "anna", clock=clock))
    clock.wait(1)
    for file in study.folder.glob("*.png"):
        file.unlink()
    click(panel, panel.scores[3])
    assert "Saved, but the next image cannot be read" in panel.message.value and len(panel.session.ratings) == 1


def test_rate_shows_a_panel_that_keeps_its_file_beside_the_images(folder):
    shown = rate(folder, "carla", second=False)
    assert shown.session.path == folder / "raters" / "ratings-carla.csv" and not shown.session.path.exists()
    assert rate(folder / "raters", "carla").session.path == shown.session.path
