"""The shell scripts of the how-to on batch conversion, run as they stand."""

import pytest
from generating_fixtures import weights_of
from pages import ROOT, blocks, shell

from sketchcli import images

SCRIPTS = [b.text for b in blocks(ROOT / "docs/how-to/convert-many.md") if b.is_to_be_run]
TREE = {"a", "b c", "deep/d", "deep/e 'f'"}


@pytest.fixture
def place(home, tiny, tmp_path, folders):
    """A folder with the sketches, a finished run, and the command beside it."""
    weights = weights_of(home / "runs" / "mine", tiny)
    (weights.parent / "result.json").write_text("{}")
    sketch = images.luma(images.read(folders / "sketches" / "face-0.png"))
    for name in TREE:
        images.write(tmp_path / "work" / "sketches" / f"{name}.png", sketch)
    return tmp_path / "work"


def photos(folder):
    found = folder.rglob("*.png")
    return {path.relative_to(folder).with_suffix("").as_posix() for path in found}


def test_every_script_of_the_page_does_what_it_says(place, programs):
    (place / "sketches" / "deep" / "broken.png").write_bytes(b"broken")
    outcomes = [shell(script, place, programs) for script in SCRIPTS]
    assert len(SCRIPTS) == 8
    # One sketch is broken: code 7 for the folder's runs, and the script that asks for it says so.
    codes = [outcome.returncode for outcome in outcomes]
    assert codes == [7, 7, 123, 7, 0, 7, 7, 0], [outcome.stderr[-300:] for outcome in outcomes]
    for folder in ("photos", "found", "listed", "checked", "shared"):
        assert photos(place / folder) == TREE, folder
    assert photos(place / "out") == {"deep/d", "deep/e 'f'"}
    assert outcomes[4].stdout.splitlines()[-2] == "some failed"
    assert "broken.png" in outcomes[4].stdout.splitlines()[-1]
    assert images.read_rgb(place / "piped.png").shape == (32, 32, 3)


def test_without_a_broken_sketch_every_script_ends_well(place, programs):
    outcomes = [shell(script, place, programs) for script in SCRIPTS[:1] + SCRIPTS[4:5]]
    assert [outcome.returncode for outcome in outcomes] == [0, 0]
    assert "all done" in outcomes[1].stdout
