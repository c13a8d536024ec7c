"""The reader of TorchScript archives against torch's own, and against archives that mean harm."""

import pickle
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from tda.encoders.weights.local_copy import read_state_dict
from tda.encoders.weights.torchscript import is_torchscript, read_torchscript
from tda.errors import UserError


class _Command:
    """Pickles as a call of a shell command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self.marker}",)


class _Traced(torch.nn.Module):
    """Half and float32 weights, a strided one, a shared one, an integer buffer, a mask that is an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(3, 4).half(), torch.nn.BatchNorm1d(4))
        self.turned = torch.nn.Parameter(torch.randn(5, 2).T)
        self.tied = self.inner[0].weight
        self.register_buffer("input_resolution", torch.tensor(224))
        self.attn_mask = torch.zeros(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.turned.sum() + self.attn_mask.sum()


@pytest.mark.parametrize("name", ["openai_rn_tiny_jit_fp16.pt", "openai_vit_tiny_jit_fp16.pt"])
def test_tensors_are_those_that_torch_reads(shared_golden: Path, name: str) -> None:
    _require_same(shared_golden / name)


def test_an_archive_of_our_own_making(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(_Traced(), torch.zeros(1)), tmp_path / "traced.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), tmp_path / "scripted.pt")
    _require_same(tmp_path / "traced.pt")
    _require_same(tmp_path / "scripted.pt")


def _require_same(path: Path) -> None:
    assert is_torchscript(path)
    expected = torch.jit.load(path).state_dict()
    found = read_torchscript(path)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


def test_a_plain_state_dict_is_no_archive(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "plain.pt")
    assert not is_torchscript(tmp_path / "plain.pt")


def test_an_archive_that_would_run_a_command_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    _archive(tmp_path / "evil.pt", pickle.dumps(_Command(marker), protocol=2))
    with pytest.raises(UserError, match=r"refers to posix.system, which is neither a tensor nor a plain container"):
        read_state_dict(tmp_path / "evil.pt")
    assert not marker.exists()


def test_damaged_archives_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    whole = (shared_golden / "openai_vit_tiny_jit_fp16.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    _archive(tmp_path / "list.pt", pickle.dumps([1], protocol=2))
    for name in ("cut.pt", "list.pt"):
        with pytest.raises(UserError, match=rf"checkpoint .*{name} cannot be read"):
            read_state_dict(tmp_path / name)


def _archive(path: Path, data: bytes) -> None:
    with ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", data)
        archive.writestr("evil/constants.pkl", pickle.dumps(()))
