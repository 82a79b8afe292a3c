"""Which sketches are meant, and where their photos go: planned without a model."""

import io

import pytest

from sketchcli.engine.generating.inputs import (
    Existing,
    Naming,
    Request,
    Selection,
    Shard,
    find,
    read_list,
)
from sketchcli.engine.generating.plan import make_plan, plan_outputs
from sketchcli.errors import DataError, UsageError


def tree(root, *names):
    """Empty files: enough for planning."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def planned(sources, output, *, naming=None, selection=None, **options):
    found = find([str(s) for s in sources], (), selection or Selection())
    return plan_outputs(found, Request((), str(output), naming=naming or Naming(), **options))


def outputs(sources, output, **options):
    return [str(j.output.relative_to(output)) for j in planned(sources, output, **options).jobs]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.png", "b/a.png"), ["a.png", "b/a.png"]),
        (("a.png", "a.jpg", "a_jpg.bmp"), ["a_jpg-2.png", "a_png.png", "a_jpg.png"]),
        (("A.png", "a.jpg"), ["A_png.png", "a_jpg.png"]),  # one name on some disks
        (("é.png", "e\u0301.jpg"), ["e\u0301_jpg.png", "é_png.png"]),
    ],
)
def test_every_photo_has_a_name_of_its_own(tmp_path, names, expected):
    assert outputs([tree(tmp_path / "in", *names)], tmp_path / "out") == expected


def test_several_files_keep_the_folders_below_the_one_that_holds_them_all(tmp_path):
    tree(tmp_path / "in", "a/x.png", "b/x.png", "b/y.png")
    files = [tmp_path / "in/a/x.png", tmp_path / "in/b/x.png"]
    assert outputs(files, tmp_path / "out") == ["a/x.png", "b/x.png"]
    assert outputs([tmp_path / "in/b/x.png", tmp_path / "in/b/y.png"], tmp_path / "out") == [
        "x.png",
        "y.png",
    ]
    rooted = Selection(root=tmp_path / "in")
    assert outputs([files[0]], tmp_path / "out/", selection=rooted, naming=Naming()) == ["a/x.png"]
    with pytest.raises(DataError, match="not below"):
        planned([files[0]], tmp_path / "out", selection=Selection(root=tmp_path / "in/b"))


def test_a_sketch_is_no_root_of_itself(tmp_path):
    root = tree(tmp_path / "in", "x.png")
    with pytest.raises(DataError, match=r"x\.png is a sketch"):
        planned([root / "x.png"], tmp_path / "out", selection=Selection(root=root / "x.png"))


def test_a_file_called_like_standard_input_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, "-"))
    (job,) = planned(["./-"], "y.png").jobs
    assert job.source == tmp_path / "-"


def test_folders_and_files_together_and_each_file_once(tmp_path):
    root = tree(tmp_path / "in", "a/x.png", "b/y.png", "z.png")
    both = [root / "a", root / "b", root / "a/x.png", root / "z.png"]
    assert outputs(both, tmp_path / "out") == ["a/x.png", "b/y.png", "z.png"]


def test_a_glob_that_no_shell_has_expanded(tmp_path):
    root = tree(tmp_path / "in", "a.png", "b/c.png", "b/d.jpg", "e.txt")
    assert outputs([f"{root}/**/*.png"], tmp_path / "out") == ["a.png", "b/c.png"]
    with pytest.raises(DataError, match="no image matches"):
        planned([f"{root}/*.webp"], tmp_path / "out")


def test_a_name_with_a_globs_signs_is_a_name(tmp_path):
    root = tree(tmp_path / "in", "a[1].png", "a1.png")
    assert outputs([root / "a[1].png"], tmp_path / "out.png", naming=Naming()) == ["."]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(is_recursive=False), ["a.png", "b.jpg"]),
        (Selection(include=("*.png",)), ["a.png", "deep/c.png"]),
        (Selection(include=("deep/*",)), ["deep/c.png"]),
        (Selection(exclude=("a*", "deep/*")), ["b.jpg"]),
        (Selection(include=("*.png",), exclude=("c*",)), ["a.png"]),
    ],
)
def test_patterns_choose_files_of_folders(tmp_path, selection, expected):
    root = tree(tmp_path / "in", "a.png", "b.jpg", "deep/c.png", ".hidden.png", ".d/e.png", "f.txt")
    found = find([str(root)], (), selection)
    assert [sketch.place.as_posix() for sketch in found.sketches] == expected


def test_where_patterns_leave_nothing_the_hint_names_them(tmp_path):
    root = tree(tmp_path / "in", "a.png")
    for source in (str(root), f"{root}/*.png"):
        with pytest.raises(DataError) as caught:
            find([source], (), Selection(exclude=("*",)))
        assert caught.value.message == f"no images found in {source}"
        assert "--exclude" in caught.value.hint


def test_what_is_passed_over_is_said(tmp_path):
    root = tree(tmp_path / "in", "a.png", "notes.txt")
    (root / "link").symlink_to(tmp_path)
    notes = " ".join(find([str(root)], (), Selection()).notes)
    assert "without an image extension: 1" in notes
    assert "links to folders: 1" in notes


@pytest.mark.parametrize(
    ("naming", "output", "message"),
    [
        (Naming(format="jpg"), "a.png", "--format"),
        (Naming(quality=50), "a.png", "--quality"),
        (Naming(quality=50), "out/", "--quality"),
    ],
)
def test_contradictions_are_usage_errors(folders, tmp_path, naming, output, message):
    with pytest.raises(UsageError, match=message):
        planned([folders / "sketches/face-0.png"], f"{tmp_path}/{output}", naming=naming)


def test_a_list_of_paths(tmp_path, monkeypatch):
    lines = tmp_path / "lines"
    lines.write_bytes("a b.png\n\nü.png\n".encode())
    assert read_list(str(lines)) == ("a b.png", "ü.png")
    lines.write_bytes(b"new\nline.png\0b.png\0")  # find -print0
    assert read_list(str(lines)) == ("new\nline.png", "b.png")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\nb.png")))
    assert read_list("-") == ("a.png", "b.png")
    lines.write_bytes(b"\n")
    with pytest.raises(DataError, match="names no files"):
        read_list(str(lines))


def test_shares_are_disjoint_and_together_everything(tmp_path):
    root = tree(tmp_path / "in", *(f"{i}.png" for i in range(10)), "1.jpg")
    whole = set(outputs([root], tmp_path / "out"))
    parts = [outputs([root], tmp_path / "out", shard=Shard(i, 4)) for i in (1, 2, 3, 4)]
    assert sum(map(len, parts)) == len(whole) == 11
    assert set().union(*parts) == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_list_names_paths_and_not_patterns(tmp_path):
    """A line that names nothing is a file that fails, and no reason to stop."""
    there = tree(tmp_path / "in", "a.png") / "a.png"
    listed = [str(there), f"{tmp_path}/gone[1].png", f"{tmp_path}/{'long' * 100}.png"]
    found = find((), listed, Selection())
    assert [str(sketch.path) for sketch in found.sketches] == listed
    with pytest.raises(DataError, match="does not exist"):
        find(listed[2:], (), Selection())


@pytest.mark.parametrize(
    ("beside", "says"), [("in/a.png", "overwrite a sketch"), ("out/a.png", "also the output path")]
)
@pytest.mark.parametrize("option", ["manifest", "grid"])
def test_what_is_written_beside_the_photos_replaces_no_picture(tmp_path, option, beside, says):
    root = tree(tmp_path / "in", "a.png")
    asked = Request((str(root),), str(tmp_path / "out"), **{option: tmp_path / beside})
    with pytest.raises(DataError, match=says):
        make_plan(asked)


@pytest.mark.parametrize("option", ["manifest", "grid"])
def test_an_older_file_beside_the_photos_is_replaced_when_that_is_asked_for(tmp_path, option):
    root, older = tree(tmp_path / "in", "a.png"), tree(tmp_path, "older.png") / "older.png"
    words = (str(root),), str(tmp_path / "out")
    with pytest.raises(DataError, match=r"older\.png exists") as caught:
        make_plan(Request(*words, **{option: older}))
    assert "--overwrite" in caught.value.hint
    for existing in (Existing.OVERWRITE, Existing.SKIP):
        assert make_plan(Request(*words, naming=Naming(existing=existing), **{option: older}))


@pytest.mark.parametrize("option", ["manifest", "grid"])
def test_a_folder_is_not_replaced_by_what_is_written_beside_the_photos(tmp_path, option):
    root = tree(tmp_path / "in", "a.png")
    naming = Naming(existing=Existing.OVERWRITE)
    asked = Request((str(root),), str(tmp_path / "out"), naming=naming, **{option: tmp_path})
    with pytest.raises(DataError, match="a folder"):
        make_plan(asked)
