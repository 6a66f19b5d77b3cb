"""The paper's claims, verdicts on them, and what a notebook displays."""

import json

import nbformat
import pytest
from bs4 import BeautifulSoup

from ood_helpers.pages import claims


@pytest.fixture
def displayed(monkeypatch):
    """What `report` hands to IPython: a list of (bundle, metadata)."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


def test_each_claim_is_one_sentence_with_a_place():
    for key, claim in claims.CLAIMS.items():
        assert claim.key == key
        assert claim.text.endswith(".") and ". " not in claim.text.replace("Fig. ", "")
        assert any(word in claim.place for word in ("Sec.", "Appendix", "Fig.", "Table"))


def test_the_claims_follow_the_argument_from_copies_to_gaussians_to_separation():
    keys = list(claims.CLAIMS)
    stations = ["reconstructs-unseen", "lemma-c1", "property-d1", "observation-1", "lemma-c2", "separable-earlier"]
    assert sorted(stations, key=keys.index) == stations


def test_a_proof_whose_check_agrees_is_proved():
    verdict = claims.proved("lemma-d3", "holds", "share 0.010, bound 0.050, d = 12,288")
    assert verdict.words == "proved" and verdict.number == "share 0.010, bound 0.050, d = 12,288"


@pytest.mark.parametrize("check", ["fails", "undecided"])
def test_a_proof_whose_check_does_not_hold_names_the_claim_and_the_number(check):
    with pytest.raises(ValueError, match=rf"lemma-d3: .* says '{check}': share 0.060"):
        claims.proved("lemma-d3", check, "share 0.060, bound 0.050")


def test_what_is_true_by_its_words_is_no_proof_and_checked_all_the_same():
    assert claims.defined("no-weight-touched", "holds", "one hash").words == "true by definition"
    with pytest.raises(ValueError, match=r"no-weight-touched: .* says 'fails'"):
        claims.defined("no-weight-touched", "fails", "two hashes")


@pytest.mark.parametrize(
    ("outcome", "words"), {"holds": "reproduced", "fails": "not reproduced", "undecided": "undecided"}.items()
)
def test_the_status_follows_the_measurement(outcome, words):
    assert claims.measured("observation-2", outcome, "60.0°").words == f"{words} on small models"


def test_a_status_says_whose_numbers_it_is_about():
    verdict = claims.measured("center-distances", "fails", "0.83 of d^(1/4)", where=claims.PRINTED)
    assert verdict.words == "not reproduced by the paper's own numbers"
    assert claims.CSS_CLASS[verdict.status] == "claim-fails"


def test_a_status_may_be_limited_to_circumstances():
    verdict = claims.measured("svm-separable", "fails", "accuracy 0.61, cats", when="domains are near")
    assert verdict.words == "not reproduced on small models when domains are near"


@pytest.mark.parametrize("judge", [claims.proved, claims.measured])
def test_an_unknown_claim_is_refused_with_the_known_ones(judge):
    with pytest.raises(ValueError, match=r"key: got 'lemma-z9', expected one of reconstructs-unseen.*lemma-c2"):
        judge("lemma-z9", "holds", "1")


@pytest.mark.parametrize("judge", [claims.proved, claims.measured])
@pytest.mark.parametrize("number", [0.93, float("nan"), "yes", True, None])
def test_what_is_no_outcome_is_refused(judge, number):
    with pytest.raises(ValueError, match=r"got .*, expected one of holds, fails, undecided"):
        judge("svm-separable", number, "accuracy 0.93")


def test_a_report_shows_claim_place_status_and_number(displayed):
    claims.report(claims.measured("observation-2", "holds", "60.0° ± 0.1°, d < 12,289"))
    (bundle, _), *others = displayed
    cells = [cell.get_text() for cell in BeautifulSoup(bundle["text/html"], "html.parser")("td")]
    claim = claims.CLAIMS["observation-2"]
    assert cells == [claim.text, claim.place, "reproduced on small models", "60.0° ± 0.1°, d < 12,289"] and not others
    assert all(cell in bundle["text/plain"] for cell in cells)


def test_a_report_holds_only_types_of_data_that_the_book_and_jupyterlab_can_draw(displayed):
    claims.report(claims.proved("lemma-d3", "holds", "1"))
    assert set(displayed[0][0]) == {"text/html", "text/plain"}


def test_a_report_leaves_its_verdicts_for_the_book(displayed):
    verdicts = [claims.proved("lemma-d3", "holds", "1"), claims.measured("pixels-75", "fails", "52°", when="so")]
    claims.report(*verdicts)
    bundle, metadata = displayed[0]
    nbformat.validate(nbformat.v4.new_output("display_data", bundle, metadata=metadata), "display_data", version=4)
    kept = json.loads(json.dumps(metadata))
    assert kept["scrapbook"] == {"name": "claims"}
    assert [claims.Verdict(**record) for record in kept["verdicts"]] == verdicts
