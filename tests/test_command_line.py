"""The command line: help that answers, errors that name, exit codes that scripts can use."""

import subprocess
import sys

import pytest

from ood_helpers.__main__ import main


def test_help_is_quick_and_names_every_command():
    program = "import sys, ood_helpers.__main__ as m\nassert 'torch' not in sys.modules\nm.main(['--help'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "train" in done.stdout


def test_an_unknown_model_is_an_error_that_lists_the_known(tmp_path, capsys):
    assert main(["train", "toy-cat", "--output", str(tmp_path / "x")]) == 1
    assert "error: name: got 'toy-cat', expected one of toy-dog" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_missing_arguments_end_with_usage():
    with pytest.raises(SystemExit) as stop:
        main(["train", "toy-dog"])
    assert stop.value.code == 2


def test_a_model_is_exported_by_its_name(tmp_path, capsys):
    file = tmp_path / "new" / "scorer.onnx"
    assert main(["export", "domain-scorer", "--output", str(file)]) == 0
    assert str(file) in capsys.readouterr().out and file.stat().st_size > 800_000
    assert main(["export", "toy-cat", "--output", str(tmp_path / "x.onnx")]) == 1
    assert "got 'toy-cat', expected a shipped model" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
