"""Reading ratings: the key is joined to them, and no file is dropped in silence."""

import pytest
import torch

from ood_helpers.opinion.analysis import is_simulated, read_ratings
from ood_helpers.opinion.study import prepare, read_key, to_csv


@pytest.fixture
def study(tmp_path):
    images = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return prepare(tmp_path / "study", {"generated": images[:2], "raw": images[2:]}, seed=0)


def ratings_of(study, rater, n=4):
    said = {"study": study.identifier, "rater": rater}
    return [
        {**said, "image": image, "called": "raw" if i else "", "score": 1 + i}
        for i, image in enumerate(study.images[:n])
    ]


def write(study, rater, n=4, change=lambda text: text):
    path = study.folder / f"ratings-{rater}.csv"
    path.write_text(change(to_csv(ratings_of(study, rater, n)).decode()), encoding="utf-8")
    return path


def test_ratings_come_with_their_group(study, tmp_path):
    write(study, "anna")
    write(study, "ben")
    for source in (tmp_path / "study", study.folder, sorted(study.folder.glob("*.csv"))):
        frame = read_ratings(source, tmp_path / "study")
        assert len(frame) == 8 and list(frame["score"]) == [1, 2, 3, 4] * 2
        assert dict(zip(frame["image"], frame["group"], strict=True)) == read_key(tmp_path / "study")
        assert frame["called"].isna().sum() == 2
        assert frame.attrs == {"partial": {}} and not is_simulated(frame)


def test_a_partial_file_is_used_and_named(study, tmp_path):
    write(study, "anna")
    ben, carla = write(study, "ben", 3), write(study, "carla", 0)
    found = read_ratings(study.folder, tmp_path / "study")
    assert len(found) == 7
    assert found.attrs["partial"] == {str(ben): "3 of 4 images rated", str(carla): "0 of 4 images rated"}


def second_line(change):
    """Change the values of the second line."""

    def changed(text):
        lines = text.splitlines()
        lines[1] = ",".join(change(lines[1].split(",")))
        return "\n".join([*lines, ""])

    return changed


def put(column, value):
    return second_line(lambda values: [*values[:column], value, *values[column + 1 :]])


FAULTS = {
    "another study": (put(0, "0123456789abcdef"), "line 2: study: got '0123456789abcdef', expected"),
    "no rater": (put(1, "anna b"), "line 2: rater: got 'anna b', expected a name"),
    "two raters": (put(1, "carla"), "line 3: rater: got 'anna', expected 'carla' as in the lines before"),
    "unknown image": (put(2, "1"), "line 2: image: got '1', expected '001' to '004'"),
    "rated twice": (put(2, "003"), "line 4: image: got '003', expected one not rated in a line before"),
    "score too high": (put(4, "6"), "line 2: score: got '6', expected an integer from 1 to 5"),
    "score too low": (put(4, "0"), "line 2: score: got '0'"),
    "no integer": (put(4, "3.5"), "line 2: score: got '3.5'"),
    "no score": (put(4, ""), "line 2: score: got ''"),
    "unknown call": (put(3, "fake"), "line 2: called: got 'fake', expected one of raw, generated"),
    "short line": (second_line(lambda values: values[:4]), "line 2: got another number of values, expected one"),
    "long line": (second_line(lambda values: [*values, "x"]), "line 2: got another number of values, expected one"),
    "missing column": (lambda text: text.replace("score", "points"), "line 1: no column score, expected study, rater"),
    "semicolons": (lambda text: text.replace(",", ";"), "line 1: no column study, rater"),
    "empty": (lambda text: "", "line 1: no column study"),
    "open quote": (put(1, '"anna'), "unexpected end of data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_fault_is_named_with_file_and_line(study, tmp_path, fault):
    change, message = FAULTS[fault]
    path = write(study, "anna", change=change)
    write(study, "ben")
    with pytest.raises(ValueError) as caught:
        read_ratings(study.folder, tmp_path / "study")
    assert str(caught.value).startswith(f"{path}, line ") and message in str(caught.value)


def test_each_faulty_file_is_named(study, tmp_path):
    paths = [write(study, rater, change=put(4, "6")) for rater in ("anna", "carla")]
    write(study, "ben")
    with pytest.raises(ValueError) as caught:
        read_ratings(study.folder, tmp_path / "study")
    told = str(caught.value).splitlines()
    assert len(told) == 2 and all(f"{path}, line 2: score" in line for path, line in zip(paths, told, strict=True))


def test_no_part_of_a_line_passes_for_the_whole(study, tmp_path):
    path = write(study, "anna")
    content = path.read_text()
    last = len(content.splitlines()[-1])
    for kept in range(1, last):
        path.write_text(content[: len(content) - 1 - last + kept])
        with pytest.raises(ValueError, match="line 5: "):
            read_ratings(path, tmp_path / "study")
    path.write_text(content.rstrip("\n"))  # only the end of the line is missing
    assert len(read_ratings(path, tmp_path / "study")) == 4


def test_text_from_spreadsheets_is_read_and_bytes_are_not(study, tmp_path):
    path = write(study, "anna", change=lambda text: "\ufeff" + text.replace("\n", "\r\n"))
    assert len(read_ratings(path, tmp_path / "study")) == 4
    path.write_bytes(to_csv(ratings_of(study, "anna")) + b"\xff\xfe")
    with pytest.raises(ValueError, match=r"ratings-anna\.csv, line 6: got another number of values"):
        read_ratings(path, tmp_path / "study")
    with pytest.raises(ValueError, match=r"absent\.csv: cannot be read \(No such file"):
        read_ratings([tmp_path / "absent.csv"], tmp_path / "study")


def test_a_rater_has_one_file(study, tmp_path):
    first = write(study, "anna")
    second = first.with_name("ratings-anna (1).csv")
    second.write_bytes(to_csv([{**rating, "score": 1} for rating in ratings_of(study, "anna", 2)]))
    with pytest.raises(ValueError, match=r"line 2: rater: got 'anna', whose ratings are in"):
        read_ratings([first, second], tmp_path / "study")


def test_no_ratings_are_an_error(study, tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match=r"paths: got no ratings in files ratings-\*\.csv"):
            read_ratings(study.folder, tmp_path / "study")
        write(study, "anna", 0)


def test_simulated_raters_are_known_by_their_names(study, tmp_path):
    write(study, "simulated-01")
    assert is_simulated(read_ratings(study.folder, tmp_path / "study"))
