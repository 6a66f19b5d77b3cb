"""Threads for the machine at hand, examples that are the same in every run, and a guard of torch's global settings."""

import os
import sys
from collections import Counter

import pytest
from hypothesis import settings

# Read by torch and BLAS when they are first imported; test processes share the cores. They inherit what their parent
# process has set here, and set it anew.
if "OMP_NUM_THREADS" not in os.environ or "THREADS_SET_BY_TESTS" in os.environ:
    _WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    os.environ["OMP_NUM_THREADS"] = str(max(1, min(4, (os.cpu_count() or 1) // _WORKERS)))
    os.environ["THREADS_SET_BY_TESTS"] = "1"

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items):
    """Put files of few tests first: theirs are the long ones, and so all processes end at about the same time."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: sizes[item.path])


def torch_state() -> dict[str, object]:
    """Return torch's global settings, random state left aside; nothing if torch has not been imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "number of threads": torch.get_num_threads(),
        "gradients enabled": torch.is_grad_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
    }


@pytest.fixture(autouse=True)
def torch_is_left_as_found():
    """Fail a test that changes one of torch's global settings, and put the setting back for the next one."""
    before = torch_state()
    yield
    changed = {name: (old, torch_state()[name]) for name, old in before.items() if torch_state()[name] != old}
    if changed:
        restore(before)
        pytest.fail(f"the test changed torch's global state (before, after): {changed}")


def restore(state: dict[str, object]) -> None:
    """Put torch's global settings back to `state`."""
    torch = sys.modules["torch"]
    torch.set_default_dtype(state["default dtype"])
    torch.set_default_device(state["default device"])
    torch.set_num_threads(state["number of threads"])
    torch.set_grad_enabled(state["gradients enabled"])
    torch.use_deterministic_algorithms(state["deterministic algorithms"])
    torch.set_float32_matmul_precision(state["matmul precision"])


@pytest.fixture(scope="session")
def tiny_pipeline():
    """Return how to save a tiny network with random weights in a folder, as the hub's pipelines are saved."""
    import torch
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    def save(folder, seed=0, size=16):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = UNet2DModel(
                sample_size=size,
                block_out_channels=(8, 16),
                layers_per_block=1,
                norm_num_groups=4,
                down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            )
        DDPMPipeline(network, DDPMScheduler()).save_pretrained(folder)
        return folder

    return save
