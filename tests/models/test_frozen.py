"""A frozen model answers, counts, refuses bad input and never changes."""

import pytest
import torch

import ood_helpers as ood
from ood_helpers.models.frozen import FrozenModel, NetworkPredictor


class Spy(torch.nn.Module):
    """A network with learned variances that remembers the timesteps it was asked for."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))
        self.seen, self.dtypes = [], []

    @property
    def dtype(self):
        return self.weight.dtype

    def forward(self, x, t):
        if not x.is_meta:  # where operations are counted
            self.seen += t.tolist()
            self.dtypes.append(x.dtype)
        return type("Output", (), {"sample": torch.cat([self.weight * x, -x], 1)})


@pytest.fixture
def spied():
    table = torch.linspace(0.99, 0.01, 100, dtype=torch.float64)
    return FrozenModel("spy", table, (3, 4, 4), NetworkPredictor(Spy(), 3))


def test_only_the_predicted_noise_of_a_network_with_learned_variances_is_used(spied):
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(spied.eps(x, 7), 2 * x)


def test_a_network_is_asked_for_the_clean_image_at_its_lowest_noise(spied):
    spied.eps(torch.zeros(3, 3, 4, 4), torch.tensor([-1, 0, 41.5]))
    assert spied.predictor.network.seen == [0.0, 0.0, 41.5]


def test_a_network_runs_in_the_precision_asked_for_and_its_own_weights_stay(spied):
    x, t = torch.rand(2, 3, 4, 4, dtype=torch.float64), torch.zeros(2)
    answer = spied.predict(x, t, torch.bfloat16)
    assert answer.dtype == torch.float64
    assert spied.predictor.network.dtype == torch.float32
    assert (answer - 2 * x).abs().max() > 0  # rounded to 8 bits
    torch.testing.assert_close(answer, 2 * x, rtol=0.01, atol=0)


def test_neither_gradients_nor_weights_move(spied):
    before = spied.predictor.network.weight.clone()
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert not spied.eps(x, 3).requires_grad
    ood.invert(spied, x.detach(), t=50, steps=5, precision="float32", progress=False)
    assert torch.equal(spied.predictor.network.weight, before)
    assert not spied.predictor.network.training and not spied.predictor.network.weight.requires_grad


def test_every_way_to_ask_is_counted(spied):
    counted, x = ood.CountedModel(spied), torch.rand(2, 3, 4, 4)
    assert isinstance(counted, FrozenModel) and ood.network_of(counted) is ood.network_of(spied) is not None
    torch.testing.assert_close(counted.eps(x, 7), spied.eps(x, 7))
    assert counted.evaluations == 2
    ood.CountedModel(counted).eps(x[:1], 7)
    assert counted.evaluations == 3
    assert ood.network_of(ood.gaussian_model(0, 1, image_shape=(3, 4, 4))) is None


def test_a_model_s_fields_cannot_be_reassigned(spied):
    with pytest.raises(AttributeError):
        spied.name = "other"


@pytest.mark.parametrize(
    ("flags", "capability", "allowed", "expected"),
    [
        ("avx2 avx512f avx512_bf16", "AVX512", None, torch.bfloat16),
        ("avx2 avx512f amx_bf16", "AVX512", "AVX512_CORE_AMX", torch.bfloat16),
        ("avx2 avx512f", "AVX512", None, torch.float32),
        ("avx2", "AVX2", None, torch.float32),
        ("avx2 avx512f avx512_bf16", "AVX2", None, torch.float32),
        ("avx2 avx512f avx512_bf16", "AVX512", "AVX2", torch.float32),
        ("", "DEFAULT", None, torch.float32),
    ],
)
def test_auto_precision_is_what_the_processor_has(spied, monkeypatch, flags, capability, allowed, expected):
    from ood_helpers.kernels import runtime

    monkeypatch.setattr(runtime, "processor_flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if allowed:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    assert runtime.network_dtype(spied, "auto") == expected
    assert runtime.network_dtype(spied, "float16") == torch.float16


def test_auto_precision_of_a_gpu_goes_by_its_capability(monkeypatch):
    from ood_helpers.kernels.runtime import has_bfloat16_units

    for supported in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s)
        assert has_bfloat16_units(torch.device("cuda")) == supported
    assert not has_bfloat16_units(torch.device("mps"))


@pytest.mark.parametrize(
    ("x", "t", "error", "message"),
    [
        (torch.zeros(2, 3, 4, 5), 0, ValueError, r"x: got images of shape \(3, 4, 5\)"),
        (torch.zeros(3, 4, 4), 0, ValueError, "x: got shape"),
        (torch.zeros(2, 3, 4, 4), 100, ValueError, "t: got 100"),
        (torch.zeros(2, 3, 4, 4), -2, ValueError, "t: got -2"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(3), ValueError, r"t: got shape \(3,\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.long), 0, TypeError, "x: got dtype"),
        (torch.full((1, 3, 4, 4), torch.inf), 0, ValueError, "x: holds NaN or infinity"),
    ],
)
def test_bad_input_is_named(spied, x, t, error, message):
    with pytest.raises(error, match=message):
        spied.eps(x, t)
