from pathlib import Path

import pytest

from sketchcli.engine.evaluating import references


@pytest.mark.parametrize(
    ("models", "folders", "names"),
    [
        (["runs/a/weights.safetensors"], [], ["model"]),
        (["runs/a/best.safetensors"], [], ["model"]),
        (["runs/a/weights.safetensors", "runs/b/weights.safetensors"], [], ["a", "b"]),
        (["runs/a/weights.safetensors", "runs/a/best.safetensors"], [], ["a", "a/best"]),
        (["runs/a/best.safetensors", "runs/b/best.safetensors"], [], ["a/best", "b/best"]),
        (["x/a/weights.safetensors", "y/a/weights.safetensors"], [], ["x/a", "y/a"]),
        (["face.safetensors", "other.safetensors"], [], ["face", "other"]),
        ([], ["a/out", "b/out"], ["a/out", "b/out"]),
        ([], ["a/x/out", "b/x/out", "new"], ["a/x/out", "b/x/out", "new"]),
        (["x/a/weights.safetensors", "b/weights.safetensors"], ["y/a"], ["x/a", "b", "y/a"]),
    ],
)
def test_the_fewest_parts_that_tell_them_apart(models, folders, names, tmp_path):
    models, folders = ([tmp_path / name for name in given] for given in (models, folders))
    assert list(references.of_all(models, folders).values()) == names


def test_a_folder_is_called_by_its_own_name_however_it_is_reached(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert references.of_all([], [Path()]) == {Path(): "out"}
