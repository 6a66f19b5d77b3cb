"""Exercises: one master file a chapter, of which the book's page, notebooks for a course and self-checks are made.

A master file, ``exercises/NN_name.md``, is Markdown that reads well as it is:

    # The chapter's title
    (code fence ``python setup``: what every exercise may use)

    ## ex-label · Title · kind · minutes
    the question
    (fence ``python stub``: names to be filled in, as ``name = ...`` or functions that raise NotImplementedError)

    ### Solution
    (fence ``python solution``, a tolerance may follow: ``tolerance=0.05``)
    (fence ``python try``, if answers are functions: ``inputs = [(1.0, 2), ...]``, each the arguments of a call)
    (fences ``python wrong: what to think about``: an answer that many give)
    the explanation

`check` runs the solution and compares, so that no answer is written down twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import check_choice

FOLDER = Path(__file__).with_name("exercises")
KINDS = {
    "question": "Question",
    "check": "Two-minute check",
    "predict": "Predict, then run",
    "code": "Code",
    "proof": "Proof",
    "project": "Project",
    "challenge": "Challenge",
}
_FENCE = re.compile(r"^(`{3,})python (setup|stub|solution|try|wrong)([^\n]*)\n(.*?)^\1\n?", re.M | re.S)
_HEAD = re.compile(r"^## (ex-[\w-]+) · (.+) · (\w+) · (\d+) min$", re.M)


@dataclass(frozen=True)
class Exercise:
    """One exercise: what is asked, what an answer looks like, and what is wrong about the usual wrong ones."""

    label: str
    title: str
    kind: str
    minutes: int
    question: str
    explanation: str
    stub: str = ""
    solution: str = ""
    inputs: str = ""
    wrong: tuple[tuple[str, str], ...] = ()  # hint and code
    tolerance: float = 0.01

    @property
    def names(self) -> list[str]:
        """What the stub asks for, in its order."""
        return list(dict.fromkeys(re.findall(r"^(?:def )?(\w+)(?: = |\()", self.stub, re.M)))


@dataclass(frozen=True)
class Chapter:
    """A chapter's exercises, and the code that they start from."""

    name: str
    title: str
    setup: str
    exercises: tuple[Exercise, ...]


def read_chapter(file: Path) -> Chapter:
    """Read a master file; ValueError names what in it cannot be read."""
    text = file.read_text(encoding="utf-8")
    title, *parts = re.split(r"^(?=## )", text, flags=re.M)
    setup, _ = _without_fences(title)
    heading = re.match(r"# (.+)", title)
    if heading is None:
        raise ValueError(f"{file.name}: starts with {text[:40]!r}, expected '# ' and a title")
    exercises = tuple(_exercise(part, file.name) for part in parts)
    return Chapter(file.stem, heading[1], setup.get("setup", [("", "")])[0][1], exercises)


def chapters(folder: Path = FOLDER) -> list[Chapter]:
    """Read all master files of a folder, in order."""
    return [read_chapter(file) for file in sorted(folder.glob("*.md"))]


def _exercise(part: str, file: str) -> Exercise:
    head = _HEAD.match(part)
    if head is None:
        got = part.splitlines()[0]
        raise ValueError(f"{file}: got {got!r}, expected '## ex-label · Title · kind · 5 min'")
    question, split, answer = part[head.end() :].partition("\n### Solution\n")
    if not split:
        raise ValueError(f"{file}: {head[1]} has no line '### Solution'")
    check_choice(f"{file}: the kind of {head[1]}", head[3], KINDS)
    asked, question = _without_fences(question)
    told, explanation = _without_fences(answer)
    one = {kind: found[0][1] for kind, found in {**asked, **told}.items()}
    tolerance = re.search(r"tolerance=([\d.e-]+)", told.get("solution", [("", "")])[0][0])
    return Exercise(
        *(head[1], head[2], head[3], int(head[4]), question, explanation),
        *(one.get(kind, "") for kind in ("stub", "solution", "try")),
        tuple((hint.strip(": "), code) for hint, code in told.get("wrong", ())),
        float(tolerance[1]) if tolerance else Exercise.tolerance,
    )


def _without_fences(text: str) -> tuple[dict[str, list[tuple[str, str]]], str]:
    """Return marked code by its mark, each with the words after the mark; and the text that remains."""
    found: dict[str, list[tuple[str, str]]] = {}
    for _, mark, words, code in _FENCE.findall(text):
        found.setdefault(mark, []).append((words, code.rstrip()))
    return found, _FENCE.sub("", text).strip()


# Self-checks


def check(label: str, **answers: Any) -> bool:
    """Compare answers with an exercise's solution, say what is wrong without telling the solution; True: all is right.

    ``pages.check("ex-many", smallest=437)``; answers are numbers, arrays, words or functions, as the exercise asks.
    ValueError: there is no such exercise, or it asks for other names.
    """
    known = {exercise.label: (chapter, exercise) for chapter in _shipped() for exercise in chapter.exercises}
    check_choice("label", label, [name for name, (_, exercise) in known.items() if exercise.stub])
    told = verdict(*known[label], answers)
    print(told or "Right.")
    return not told


def verdict(chapter: Chapter, exercise: Exercise, answers: Mapping[str, Any]) -> str:
    """Return what is wrong about answers, "" if nothing is; `check` says more."""
    if set(answers) != set(exercise.names):
        raise ValueError(f"answers: got {', '.join(answers)}, expected {', '.join(exercise.names)}")
    right = _run(chapter, exercise.solution)
    inputs = _run(chapter, exercise.inputs).get("inputs", ())
    wrong = [(hint, _run(chapter, code)) for hint, code in exercise.wrong]
    for name, given in answers.items():
        fault = _fault(given, right[name], inputs, exercise.tolerance)
        if fault:
            near = min(exercise.tolerance, 0.01)  # wrong answers are rounded, too
            same = (hint for hint, space in wrong if name in space and not _fault(given, space[name], inputs, near))
            return f"{name}: {next(same, fault)}"
    return ""


_shipped = cache(chapters)


@cache
def _prepared(setup: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(setup, space)
    return space


def _run(chapter: Chapter, code: str) -> dict[str, Any]:
    """Return the names that code defines after the chapter's set-up."""
    before = _prepared(chapter.setup)
    space = dict(before)
    exec(code, space)
    return {name: value for name, value in space.items() if name not in before or value is not before[name]}


def _fault(given: Any, right: Any, inputs: Any, tolerance: float) -> str:
    """Say in words how an answer differs, "" if it does not."""
    if given is ...:
        return "still to be filled in"
    if isinstance(right, Callable):
        return _fault_of_function(given, right, inputs, tolerance)
    if isinstance(right, str | bool):
        same = isinstance(given, type(right)) and given == right
        return "" if same else f"got {given!r}, which is not it"
    try:
        found, true = (np.asarray(value, dtype=np.float64) for value in (given, right))
    except (TypeError, ValueError, RuntimeError):
        return f"got a {type(given).__name__}, expected a {'number' if np.ndim(right) == 0 else 'list of numbers'}"
    if found.shape != true.shape:
        return f"got the shape {found.shape}, expected {true.shape if true.ndim else 'a single number'}"
    if not np.isfinite(found).all():
        return "not finite: look for a division by zero, a logarithm or a root of a negative number"
    size = max(float(np.abs(true).max(initial=0)), 1e-300)
    off = np.abs(found - true).max(initial=0)
    if off <= tolerance * size:
        return ""
    if true.ndim or not found:
        return "the values are not right yet"
    if abs(true) < 1 and abs(found / 100 - true) <= tolerance * size:
        return "is this in percent? A share is between 0 and 1"
    if found * true < 0:
        return "has the wrong sign"
    ratio = abs(float(found)) / size
    told = f"too {'large' if ratio > 1 else 'small'}" + (" in absolute value" if true < 0 else "")
    if off <= 0.05 * size:
        return f"{told}, but close: was it rounded?"
    return told + (", by more than ten times" if not 0.1 < ratio < 10 else "")


def _fault_of_function(given: Any, right: Callable, inputs: Any, tolerance: float) -> str:
    if not callable(given):
        return f"got a {type(given).__name__}, expected a function"
    for arguments in inputs:
        shown = ", ".join(f"{value:.4g}" if isinstance(value, float) else _brief(value) for value in arguments)
        try:
            found = given(*arguments)
        except NotImplementedError:
            return "still to be filled in"
        except Exception as error:  # whatever a student's code raises is an answer
            return f"called with ({shown}) it raises {type(error).__name__}: {error}"
        if fault := _fault(found, right(*arguments), (), tolerance):
            return f"called with ({shown}): {fault}"
    return ""


def _brief(value: Any) -> str:
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)


# The book's page


def as_myst(exercise: Exercise) -> str:
    """Return MyST of an exercise and its folded solution, as the book's page has them."""
    kind = f"{KINDS[exercise.kind]}, {exercise.minutes} minutes"
    solution = f"```python\n{exercise.solution}\n```\n\n" if exercise.solution else ""
    if exercise.kind == "question":
        first, last = f"{{admonition}} {exercise.title}\n:class: question", "{admonition} Answer\n:class: dropdown"
        kind = ""
    else:
        first = f"{{exercise}} {exercise.title}\n:label: {exercise.label}"
        last = f"{{solution}} {exercise.label}\n:class: dropdown"
        kind = f"*{kind}.*\n"
    return (
        f"`````{first}\n\n{kind}{exercise.question}\n`````\n\n`````{last}\n\n{solution}{exercise.explanation}\n`````\n"
    )
