"""Which sketches are meant, and where their photos go: planned without a model."""

import io
import os
from pathlib import Path

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


def test_a_glob_leads_through_no_links_and_no_hidden_folders(tmp_path):
    root = tree(tmp_path / "in", "a.png", "b/c/d.png", ".hidden/e.png")
    tree(tmp_path / "elsewhere", "secret.png", "deep/secret.png")
    (root / "b/link").symlink_to(tmp_path / "elsewhere")
    for pattern, expected in [
        ("**/*.png", ["a.png", "b/c/d.png"]),
        ("**", ["a.png", "b/c/d.png"]),
        ("**/c/**/*.png", ["b/c/d.png"]),
        ("**//d.png", ["b/c/d.png"]),
    ]:
        found = find([f"{root}/{pattern}"], (), Selection())
        assert [str(sketch.path.relative_to(root)) for sketch in found.sketches] == expected
    assert "links to folders: 1" in " ".join(found.notes)


def test_a_glob_over_the_output_folder_leaves_its_photos_alone(tmp_path):
    root = tree(tmp_path / "in", "a.png", "out/a.png", "out/b.png")
    asked = Request((f"{root}/**/*.png",), f"{root}/out", naming=Naming(existing=Existing.SKIP))
    plan = make_plan(asked)
    assert [(job.source, job.is_done) for job in plan.jobs] == [(root / "a.png", True)]
    assert "in the output folder: 2" in " ".join(plan.notes)
    beside = Request((f"{root}/*.png",), str(root), naming=Naming(suffix="-photo"))
    assert [job.output for job in make_plan(beside).jobs] == [root / "a-photo.png"]


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


def test_what_is_excluded_is_not_converted_wherever_it_was_named(tmp_path):
    root = tree(tmp_path / "in", "a[1].png", "a1.png", "b.png")
    for sources, listed in [([root], []), (root.iterdir(), []), ([], root.iterdir())]:
        found = find([*map(str, sources)], [*map(str, listed)], Selection(exclude=("a[1].png",)))
        assert [str(sketch.place) for sketch in found.sketches] == ["b.png"]


def test_where_patterns_leave_nothing_the_hint_names_them(tmp_path):
    root = tree(tmp_path / "in", "a.png")
    for source in (str(root), f"{root}/*.png"):
        with pytest.raises(DataError) as caught:
            find([source], (), Selection(exclude=("*",)))
        assert caught.value.message == f"no images found in {source}"
        assert "--exclude" in caught.value.hint


def test_a_folder_without_sketches_says_what_is_in_it_instead(tmp_path):
    root = tree(tmp_path / "in", "a.svg", "deep/b.svg")
    (root / "people").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"only other files: 2 \.svg; .* not followed") as caught:
        find([str(root)], (), Selection())
    assert caught.value.hint.endswith(str(root / "people"))


def test_what_is_passed_over_is_said(tmp_path):
    root = tree(tmp_path / "in", "a.png", "notes.txt", "b.psd", "c.PSD", ".hidden")
    (root / "link").symlink_to(tmp_path)
    notes = " ".join(find([str(root)], (), Selection()).notes)
    assert "without an image extension: 3 (2 .psd, 1 .txt)" in notes
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


NAMES = ("a.png", "zwölf/ж 照片.png", "-", "x\u2028y.png")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_in_any_encoding_that_says_which_it_is(tmp_path, encoding, ending):
    """UTF-16 with its mark is what PowerShell's `dir > list.txt` writes."""
    lines = tmp_path / "lines"
    lines.write_bytes("".join(name + ending for name in NAMES).encode(encoding))
    assert read_list(str(lines)) == NAMES


@pytest.mark.parametrize(
    "content",
    [
        "./a.png\r\n".encode("utf-16-le"),
        "./a.png".encode("utf-16-be"),
        "./照片照片照片\r\n./照片照片照片\r\n".encode("utf-16-le"),
        "./a.png\n".encode("utf-32"),
        "/ä.png\n".encode("latin-1"),
        b".\0/\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xf0/\0\x80.",
    ],
    ids=["utf-16-le", "utf-16-be", "chinese", "utf-32", "latin-1", "letters", "a picture"],
)
def test_no_path_is_read_from_a_list_that_is_not_text(tmp_path, content):
    (tmp_path / "lines").write_bytes(content)
    with pytest.raises(DataError, match="lines is not a text file"):
        read_list(str(tmp_path / "lines"))


def test_names_that_are_no_text_may_be_in_a_list_if_they_exist(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    (tmp_path / "lines").write_bytes(odd + b"\0" + odd + b"\0")
    with pytest.raises(DataError, match="lines is not a text file"):
        read_list(str(tmp_path / "lines"))
    Path(os.fsdecode(odd)).touch()
    assert read_list(str(tmp_path / "lines")) == (os.fsdecode(odd),) * 2


def test_a_list_means_standard_input_never_and_a_folder_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, "-", "in/a.png", "in/deep/b.png"))
    found = find((), ("-", "in"), Selection())
    assert [str(s.place) for s in found.sketches] == ["-", "in/a.png", "in/deep/b.png"]


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
