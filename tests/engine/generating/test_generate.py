"""Files, folders and streams: what is converted, and what never happens."""

import io
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sketchcli import images
from sketchcli.engine.events import Advanced, Converted, Note
from sketchcli.engine.generating import generate as generating
from sketchcli.engine.generating.generate import Writer
from sketchcli.engine.generating.inputs import Existing
from sketchcli.engine.generating.prepare import Preparer, load_model
from sketchcli.errors import DataError


def files_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_becomes_a_photo(convert, folders, tmp_path):
    out = tmp_path / "new" / "photo.jpg"
    result = convert(folders / "sketches/face-0.png", out)
    assert (result.files[0].output, result.files[0].status) == (out, "made")
    assert images.read_rgb(out).shape == (32, 32, 3)


def test_a_tree_is_mirrored_and_names_do_not_collide(convert, folders, tmp_path):
    sketch = images.luma(images.read(folders / "sketches/face-0.png"))
    for name in ("a.png", "a.jpg", "deep/er/ü 1.png"):
        images.write(tmp_path / "tree" / name, sketch)
    notes = []
    convert(tmp_path / "tree", tmp_path / "out", reporter=notes.append)
    assert files_below(tmp_path / "out") == ["a_jpg.png", "a_png.png", "deep/er/ü 1.png"]
    said = [note.message for note in notes if isinstance(note, Note)]
    assert any("a.jpg: another sketch has the same name" in message for message in said)


def test_a_model_is_loaded_once_and_few_sketches_are_in_memory(
    convert, folders, tmp_path, monkeypatch
):
    sketch = images.luma(images.read(folders / "sketches/face-0.png"))
    for index in range(150):
        images.write(tmp_path / "in" / f"{index}.png", sketch)
    loaded, opened, written, read = [], [], [], images.read

    def load(*arguments, **options):
        loaded.append(arguments)
        return load_model(*arguments, **options)

    def read_one(source, **options):
        opened.append(len(opened) + 1 - len(written))
        return read(source, **options)

    class Slow(Writer):
        def write(self, job, sketch, photo):
            time.sleep(0.005)  # longer than all else
            super().write(job, sketch, photo)
            written.append(job)

    monkeypatch.setitem(generating.BATCH, "cpu", 2)
    monkeypatch.setattr(generating, "load_model", load)
    monkeypatch.setattr(generating, "Writer", Slow)
    monkeypatch.setattr(images, "read", read_one)
    assert convert(tmp_path / "in", tmp_path / "out").count("made") == 150
    assert len(loaded) == 1
    assert len(opened) == 150
    assert max(opened) < 75  # ahead of the networks, in them, and behind them


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_another_process_wrote_meanwhile_is_skipped(
    convert, folders, tmp_path, monkeypatch, moment
):
    """Several processes may share one folder with --skip-existing."""
    prepare = Preparer.prepare

    def prepare_late(*arguments):
        prepared = prepare(*arguments)
        for sketch in (folders / "sketches").iterdir():
            (tmp_path / "out" / sketch.name).write_bytes(b"theirs")
        return prepared

    plan_all = generating.make_plan

    def plan_early(request):
        plan = plan_all(request)
        (tmp_path / "out").mkdir()
        for job in plan.jobs if moment == "before" else ():
            job.output.write_bytes(b"theirs")
        return plan

    monkeypatch.setattr(generating, "make_plan", plan_early)
    monkeypatch.setattr(Preparer, "prepare", prepare_late)
    result = convert(folders / "sketches", tmp_path / "out", existing=Existing.SKIP)
    assert (result.count("skipped"), len(result.failed)) == (8, 0)
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {b"theirs"}


@pytest.mark.parametrize("output", ["", "below"])
def test_sketches_are_never_mixed_with_photos_or_overwritten(convert, folders, output):
    sketches = folders / "sketches"
    before = {path: path.read_bytes() for path in sketches.iterdir()}
    with pytest.raises(DataError, match="mixed"):
        convert(sketches, sketches / output)
    one = sketches / "face-0.png"
    with pytest.raises(DataError, match="overwrite a sketch"):
        convert(one, one, existing=Existing.OVERWRITE)
    assert {path: path.read_bytes() for path in sketches.iterdir()} == before


def test_what_is_there_is_refused_kept_or_replaced(convert, folders, tmp_path):
    sketches, out = folders / "sketches", tmp_path / "out"
    convert(sketches, out)
    (out / "face-3.png").write_bytes(b"mine")
    (out / "face-4.png").unlink()
    with pytest.raises(DataError, match=r"face-0\.png exists, and 6 more") as caught:
        convert(sketches, out)
    assert "--skip-existing" in caught.value.hint
    assert "--overwrite" in caught.value.hint
    result = convert(sketches, out, existing=Existing.SKIP)
    assert (result.count("made"), result.count("skipped")) == (1, 7)
    assert (out / "face-3.png").read_bytes() == b"mine"
    assert convert(sketches, out, existing=Existing.OVERWRITE).count("made") == 8
    assert images.read_rgb(out / "face-3.png").shape == (32, 32, 3)


def test_a_photo_that_appears_meanwhile_is_not_replaced(convert, folders, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def appear(event):
        if isinstance(event, Note):
            out.mkdir()
            (out / "face-0.png").write_bytes(b"theirs")

    (folders / "sketches/notes.txt").touch()  # passed over, which is a note
    result = convert(folders / "sketches", out, reporter=appear)
    assert [file.source.name for file in result.failed] == ["face-0.png"]
    assert (out / "face-0.png").read_bytes() == b"theirs"


def test_one_bad_file_does_not_stop_a_folder(convert, folders, tmp_path):
    (folders / "sketches" / "face-3.png").write_bytes(b"\x89PNG broken")
    (folders / "sketches" / "face-5.png").write_bytes(b"")
    events, out = [], tmp_path / "out"
    result = convert(folders / "sketches", out, reporter=events.append)
    assert [file.source.name for file in result.failed] == ["face-3.png", "face-5.png"]
    assert all(file.source.name in file.error for file in result.failed)
    assert len(list(out.iterdir())) == 6
    assert events[-1] == Advanced("sketches", 8, 8)
    assert sum(isinstance(event, Converted) for event in events) == 8
    assert [file.source.name for file in result.files] == sorted(
        f.source.name for f in result.files
    )


def test_a_file_that_is_missing_among_others_is_a_failed_file(convert, folders, tmp_path):
    there = folders / "sketches/face-0.png"
    result = convert([there, folders / "no.png"], tmp_path / "out")
    assert [file.status for file in result.files] == ["made", "failed"]
    assert "no.png" in result.files[1].error


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("no.png", "out.png", "does not exist"),
        ("sketches/face-0.png", "out.docx", "no supported image extension"),
        ("sketches", "taken.png", "is a file, but a folder is needed"),
        ("sketches", "out.png", "names one file, but"),
    ],
)
def test_wrong_paths_are_named(convert, folders, tmp_path, source, output, message):
    (tmp_path / "taken.png").write_bytes(b"mine")
    with pytest.raises(DataError, match=message):
        convert(folders / source, tmp_path / output)
    assert (tmp_path / "taken.png").read_bytes() == b"mine"


def test_an_empty_folder_is_an_error_that_says_so(convert, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no images found in"):
        convert(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(("kind", "magic"), [("jpg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_format_quality_and_suffix(convert, folders, tmp_path, kind, magic):
    sizes = []
    for quality in (10, 95):
        out = tmp_path / str(quality)
        convert(folders / "sketches", out, format=kind, quality=quality, suffix="_photo")
        photo = out / f"face-0_photo.{kind}"
        assert photo.read_bytes().startswith(magic)
        sizes.append(photo.stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.fixture
def stdin(monkeypatch):
    """Put a stream of bytes on standard input."""
    return lambda stream: monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))


def test_standard_input_to_standard_output(convert, folders, stdin, monkeypatch):
    stdin(io.BytesIO((folders / "sketches/face-0.png").read_bytes()))
    made = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=made))
    result = convert("-", "-")
    assert made.getvalue().startswith(b"\x89PNG")
    assert result.files[0].status == "made"
    photo = images.decode(made.getvalue(), name="made")
    assert photo.shape == (32, 32, 3)


def animated(folders, path):
    frames = [Image.open(folders / f"sketches/face-{index}.png") for index in (0, 1)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def test_of_several_frames_the_first_is_drawn_and_it_is_said(
    convert, folders, tmp_path, stdin, monkeypatch
):
    result = convert(animated(folders, tmp_path / "a.png"), tmp_path / "out.png")
    (warning,) = (text for text in result.files[0].warnings if "frames" in text)
    assert "only the first is used" in warning
    stdin(io.BytesIO((tmp_path / "a.png").read_bytes()))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=io.BytesIO()))
    assert warning in convert("-", "-").files[0].warnings


def test_standard_input_may_be_closed(convert, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)  # as where a service is started
    result = convert(folders / "sketches/face-0.png", tmp_path / "a.png")
    assert result.count("made") == 1


def test_variations_of_standard_input_are_of_the_one_picture_that_it_holds(
    convert, dropping, folders, tmp_path, stdin
):
    one = folders / "sketches/face-0.png"
    options = {"models": [dropping], "variations": 3}
    convert(one, tmp_path / "a.png", **options)
    stdin(io.BytesIO(one.read_bytes()))
    convert("-", tmp_path / "b.png", **options)
    for number in (1, 2, 3):
        photo = (tmp_path / f"a-{number}.png").read_bytes()
        assert (tmp_path / f"b-{number}.png").read_bytes() == photo


def test_standard_input_is_bounded(convert, monkeypatch, tmp_path, stdin):
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size=-1):
            self.taken += size
            return bytes(size)

    monkeypatch.setattr(images, "LARGEST_FILE", 2**20)
    endless = Endless()
    stdin(endless)
    result = convert("-", tmp_path / "a.png")
    assert "larger than 1 MB" in result.files[0].error
    assert 2**20 < endless.taken < 2**21


def test_a_list_may_name_folders_and_what_is_not_there(convert, folders, tmp_path):
    sketches = folders / "sketches"
    listed = (str(sketches / "face-0.png"), str(sketches / "gone.png"))
    result = convert([], tmp_path / "out", listed=listed)
    assert [file.status for file in result.files] == ["made", "failed"]
    assert convert([], tmp_path / "more", listed=(str(sketches),)).count("made") == 8


def test_a_link_does_not_lead_a_photo_out_of_its_folder(convert, folders, tmp_path):
    sketch = images.luma(images.read(folders / "sketches/face-0.png"))
    for name in ("sub/a.png", "b.png"):
        images.write(tmp_path / "in" / name, sketch)
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    result = convert(tmp_path / "in", tmp_path / "out")
    assert [file.status for file in result.files] == ["made", "failed"]
    assert "a link leads out" in result.files[1].error
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_link_in_the_place_of_a_photo_is_replaced_and_not_followed(convert, folders, tmp_path):
    theirs = tmp_path / "theirs.png"
    theirs.write_bytes(b"theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "face-0.png").symlink_to(theirs)
    convert(folders / "sketches", tmp_path / "out", existing=Existing.OVERWRITE)
    assert theirs.read_bytes() == b"theirs"
    assert not (tmp_path / "out" / "face-0.png").is_symlink()


def test_nothing_is_left_half_written(convert, folders, tmp_path, monkeypatch):
    def interrupt(event):
        if isinstance(event, Advanced) and event.done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        convert(folders / "sketches", out, reporter=interrupt, manifest=tmp_path / "done.csv")
    made = [path for path in out.iterdir() if path.name.endswith(".png")]
    assert files_below(out) == sorted(path.name for path in made)  # no .part
    assert all(images.read_rgb(path).shape == (32, 32, 3) for path in made)
    listed = (tmp_path / "done.csv").read_text().splitlines()[1:]
    assert len(listed) == len(made) >= 3  # what was being written is finished, and listed


def test_the_manifest_says_what_became_of_every_file(convert, folders, tmp_path):
    import csv

    (folders / "sketches" / "face-3.png").write_bytes(b"broken")
    odd = folders / "sketches" / 'with "quotes", and\nlines.png'
    odd.write_bytes((folders / "sketches" / "face-0.png").read_bytes())
    result = convert(folders / "sketches", tmp_path / "out", manifest=tmp_path / "made.csv")
    with (tmp_path / "made.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert result.manifest == tmp_path / "made.csv"
    assert [row["source"] for row in rows] == [str(file.source) for file in result.files]
    by_name = {row["source"]: row for row in rows}
    assert by_name[str(odd)]["status"] == "made"
    failed = by_name[str(folders / "sketches" / "face-3.png")]
    assert failed["status"] == "failed"
    assert "face-3.png" in failed["error"]
    assert not failed["output"]


def test_a_contact_sheet_of_all(convert, folders, tmp_path):
    result = convert(folders / "sketches", tmp_path / "out", grid=tmp_path / "sheet.png")
    sheet = images.read_rgb(tmp_path / "sheet.png")
    assert result.grid == tmp_path / "sheet.png"
    assert sheet.shape == (2 * 132 + 4, 8 * 132 + 4, 3)  # 8 pairs, 4 a row
    shown = images.resize(sheet[4:132, 4:132], (32, 32)).astype(int)
    sketch = images.to_rgb(images.luma(images.read(folders / "sketches/face-0.png")))
    assert np.abs(shown - sketch).mean() < 6


def test_sketch_and_photo_side_by_side(convert, folders, tmp_path):
    convert(folders / "sketches/face-0.png", tmp_path / "a.png")
    convert(folders / "sketches/face-0.png", tmp_path / "b.png", is_compared=True)
    both = images.read_rgb(tmp_path / "b.png")
    assert both.shape == (32, 64, 3)
    assert np.array_equal(both[:, 32:], images.read_rgb(tmp_path / "a.png"))
    sketch = images.read_rgb(folders / "sketches/face-0.png")
    assert np.array_equal(both[:, :32], sketch)


@pytest.mark.parametrize(
    ("existing", "status"), [(Existing.REFUSE, "failed"), (Existing.SKIP, "skipped")]
)
def test_a_photo_that_another_process_writes_at_the_same_moment_stays(
    convert, folders, tmp_path, monkeypatch, existing, status
):
    out, encode = tmp_path / "photo.png", images.encode

    def encode_late(*arguments, **options):
        out.write_bytes(b"theirs")
        return encode(*arguments, **options)

    monkeypatch.setattr(images, "encode", encode_late)
    result = convert(folders / "sketches/face-0.png", out, existing=existing)
    assert result.files[0].status == status
    assert out.read_bytes() == b"theirs"
