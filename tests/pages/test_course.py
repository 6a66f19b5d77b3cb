"""Exercises: every solution passes its check, every stub fails it, and wrong answers that are known get their hint."""

import re
from pathlib import Path

import numpy as np
import pytest

from ood_helpers import pages
from ood_helpers.pages import course

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = course.chapters()
PROBLEMS = course.chapters(ROOT / "book" / "problems")
CODED = [(chapter, one) for chapter in CHAPTERS for one in chapter.exercises if one.stub]
each_coded = pytest.mark.parametrize(("chapter", "exercise"), CODED, ids=[one.label for _, one in CODED])

MASTER = """# A title

```python setup
import numpy as np
```

## ex-root · A root · code · 5 min

Of what?

```python stub
def root(x):
    raise NotImplementedError


side = ...
word = ...
```

### Solution

```python solution tolerance=0.1
def root(x):
    return np.sqrt(x)


side, word = 3.0, "three"
```

```python try
inputs = [(4.0,), (np.array([1.0, 9.0]),)]
```

```python wrong: this is the square
def root(x):
    return x**2
```

Nine has two.
"""


def answers(chapter, exercise, code):
    """The names that an exercise asks for, as code defines them."""
    space = course._run(chapter, code)
    return {name: space[name] for name in exercise.names if name in space}


@pytest.fixture
def example(tmp_path):
    (tmp_path / "01_title.md").write_text(MASTER)
    (chapter,) = course.chapters(tmp_path)
    return chapter, chapter.exercises[0]


def test_a_master_file_is_read(example):
    chapter, exercise = example
    assert (chapter.name, chapter.title, chapter.setup) == ("01_title", "A title", "import numpy as np")
    assert (exercise.label, exercise.kind, exercise.minutes) == ("ex-root", "code", 5)
    assert exercise.names == ["root", "side", "word"] and exercise.tolerance == 0.1
    assert (exercise.question, exercise.explanation) == ("Of what?", "Nine has two.")
    assert exercise.wrong[0][0] == "this is the square"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"side": 3.2}, ""),
        ({"side": 3.5}, "side: too large"),
        ({"side": 300}, "side: too large, by more than ten times"),
        ({"side": -3.0}, "side: has the wrong sign"),
        ({"side": -900.0}, "side: has the wrong sign"),
        ({"side": float("nan")}, "side: not finite"),
        ({"side": [3.0, 3.0]}, "side: got the shape (2,), expected a single number"),
        ({"side": "three"}, "side: got a str, expected a number"),
        ({"side": ...}, "side: still to be filled in"),
        ({"word": "four"}, "word: got 'four', which is not it"),
        ({"root": 2.0}, "root: got a float, expected a function"),
        ({"root": lambda x: x**2}, "root: this is the square"),
        ({"root": lambda x: x / 2}, "root: called with (an array of shape (2,)): the values are not right yet"),
        ({"root": lambda x: x[0]}, "root: called with (4) it raises TypeError"),
    ],
)
def test_wrong_answers_are_told_what_is_wrong_and_not_the_solution(example, changed, said):
    chapter, exercise = example
    given = answers(chapter, exercise, exercise.solution) | changed
    told = course.verdict(chapter, exercise, given)
    assert told.startswith(said) if said else told == ""


@pytest.mark.parametrize(
    ("right", "given", "said"),
    [
        (0.1204, 12.04, "is this in percent? A share is between 0 and 1"),
        (0.2446, 0.24, "too small, but close: was it rounded?"),
        (0.2446, 0.2, "too small"),
        (-0.9, -4.74, "too large in absolute value"),
        (60.0, 6000.0, "too large, by more than ten times"),
    ],
)
def test_a_number_in_percent_or_rounded_is_told_so(right, given, said):
    assert course._fault(given, right, (), 0.01) == said


def test_a_usual_wrong_answer_gets_its_hint_when_it_is_rounded(capsys):
    assert pages.check("ex-many", smallest=218, with_ten=198) is False
    assert capsys.readouterr().out == "smallest: both means are noisy: their variances add\n"


def test_other_names_than_those_asked_for_are_refused(example):
    with pytest.raises(ValueError, match="answers: got side, expected root, side, word"):
        course.verdict(*example, {"side": 3})
    with pytest.raises(ValueError, match="label: got 'ex-nothing', expected one of"):
        pages.check("ex-nothing", side=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no heading\n", "expected '# ' and a title"),
        ("# T\n## ex-a · B · code\n", "expected '## ex-label · Title · kind · 5 min'"),
        ("# T\n## ex-a · B · code · 5 min\n", "ex-a has no line '### Solution'"),
        ("# T\n## ex-a · B · riddle · 5 min\n\n### Solution\n", "the kind of ex-a: got 'riddle', expected one of"),
    ],
)
def test_a_fault_in_a_master_file_is_named(tmp_path, text, said):
    (tmp_path / "01.md").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        course.chapters(tmp_path)


@each_coded
def test_the_solution_passes_its_check(chapter, exercise):
    assert course.verdict(chapter, exercise, answers(chapter, exercise, exercise.solution)) == ""


@each_coded
def test_the_stub_fails_it_as_something_to_be_filled_in(chapter, exercise):
    assert "still to be filled in" in course.verdict(chapter, exercise, answers(chapter, exercise, exercise.stub))


@each_coded
def test_every_usual_wrong_answer_gets_its_hint(chapter, exercise):
    assert exercise.wrong, "a wrong answer that many give"
    right = answers(chapter, exercise, exercise.solution)
    for hint, code in exercise.wrong:
        told = course.verdict(chapter, exercise, right | answers(chapter, exercise, code))
        assert told.partition(": ")[2] == hint


def test_a_check_prints_and_says_yes_or_no(capsys):
    assert pages.check("ex-many", smallest=437, with_ten=198) is True
    assert pages.check("ex-many", smallest=np.float32(218.5), with_ten=198) is False
    assert capsys.readouterr().out == "Right.\nsmallest: both means are noisy: their variances add\n"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_chapter_has_exercises_of_several_kinds_and_questions(chapter):
    kinds = [one.kind for one in chapter.exercises]
    assert 3 <= kinds.count("question") <= 5 and 6 <= len(kinds) - kinds.count("question") <= 8
    assert {"check", "predict", "code", "proof"} <= set(kinds)
    assert all(one.explanation for one in chapter.exercises)
    assert all(one.minutes <= 2 for one in chapter.exercises if one.kind in ("question", "check"))


@pytest.mark.parametrize("chapter", PROBLEMS, ids=lambda chapter: chapter.name)
def test_every_chapter_has_two_problems_that_the_book_does_not_show_and_their_solutions_run(chapter):
    assert len(chapter.exercises) == 2
    for problem in chapter.exercises:
        space = course._run(chapter, problem.solution)
        assert set(problem.names) <= set(space)


def test_every_notebook_has_its_master_file_and_shows_it():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert path.stem in [chapter.name for chapter in CHAPTERS], path
        shown = path.read_text()
        assert f"{{exercises}} {path.stem}" in shown and "{exercise}" not in shown


def test_labels_are_unique():
    labels = [one.label for chapter in (*CHAPTERS, *PROBLEMS) for one in chapter.exercises]
    assert sorted({label for label in labels if labels.count(label) > 1}) == []
