"""Which properties survive: a known null with its error rate, known shifts, missing measurements."""

import numpy as np
import pandas as pd
import pytest

from ood_helpers.astro.surviving import survival


def frame(n, seed, shift=0.0, columns=1, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, columns)) + shift
    values[rng.random(values.shape) < missing] = np.nan
    return pd.DataFrame(values, columns=[f"s{k}" for k in range(columns)])


def test_true_images_survive_but_for_the_stated_rate():
    """400 statistics of true images: about one in 100 exceeds its floor; more than 5 in 100 has a chance below 1e-6."""
    found = survival(frame(60, 0, columns=400), frame(200, 1, columns=400), repeats=300)
    assert (found["verdict"] != "survives").mean() < 0.05


def test_a_shift_of_a_normal_is_its_distance():
    found = survival(frame(2000, 0, shift=0.6), frame(4000, 1), repeats=100).loc["s0"]
    assert found["distance"] == pytest.approx(0.6, abs=0.06) and found["verdict"] == "shifted"
    assert survival(frame(50, 0, shift=2.0), frame(100, 1), repeats=100).loc["s0", "verdict"] == "lost"


def test_distances_have_no_unit():
    made, real = frame(50, 0, 0.5), frame(100, 1)
    first, second = survival(made, real, repeats=100), survival(1000 * made + 7, 1000 * real + 7, repeats=100)
    np.testing.assert_allclose(first[["distance", "floor"]], second[["distance", "floor"]])


def test_what_cannot_be_measured_counts():
    real = frame(200, 1, missing=0.1)
    assert survival(frame(60, 0, missing=0.1), real).loc["s0", "verdict"] == "survives"
    found = survival(frame(60, 0, missing=0.5), real).loc["s0"]
    assert found["verdict"] == "shifted" and found["measured"] < 0.75
    assert survival(frame(60, 0, missing=0.9), real).loc["s0", "verdict"] == "lost"
    nothing = survival(frame(60, 0, missing=1.0), real).loc["s0"]
    assert nothing["verdict"] == "lost" and nothing["distance"] == np.inf and np.isnan(nothing["made"])


def test_bad_frames_are_refused():
    with pytest.raises(ValueError, match=r"real: got columns \['s0', 's1'\], expected those of made"):
        survival(frame(20, 0), frame(20, 1, columns=2))
    with pytest.raises(ValueError, match="made: got 5 rows, expected at least 10"):
        survival(frame(5, 0), frame(20, 1))
    with pytest.raises(ValueError, match="real: s0 has 20 values with spread 0"):
        survival(frame(20, 0), frame(20, 1) * 0)
