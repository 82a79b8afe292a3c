import numpy as np
import pytest

from sketchcli import images
from sketchcli.data import sources
from sketchcli.errors import DataError


@pytest.fixture
def table(tmp_path):
    """Pictures, and a CSV beside them."""
    for name in ("s/1.png", "s/2.png", "s/2.jpg", "p/1.png", "p/2.png", "p/3, four.png", "p/ж.png"):
        images.write(tmp_path / name, np.full((8, 8), 100, np.uint8))

    def write(text, encoding="utf-8"):
        path = tmp_path / "pairs.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def pairs(source):
    def name(path):
        return path and f"{path.parent.name}/{path.name}"

    return [(pair.id, name(pair.sketch), name(pair.photo), pair.split) for pair in source.pairs]


LINES = "sketch,photo,split\ns/1.png,p/1.png,train\ns/2.png,p/2.png,testing\n"
PAIRS = [("s/1", "s/1.png", "p/1.png", "train"), ("s/2", "s/2.png", "p/2.png", "test")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (LINES, "utf-8"),
        (LINES, "utf-8-sig"),
        (LINES, "utf-16"),
        (LINES.replace(",", "\t").replace("\n", "\r\n"), "utf-16"),  # a spreadsheet's Unicode text
        (LINES.replace(",", ";"), "utf-8"),
        (LINES.replace("\n", "\r\n"), "utf-8"),
        (LINES.replace("sketch,photo", " Sketch , PHOTO "), "utf-8"),
        (LINES.replace("\n", ",note\n"), "utf-8"),
        (LINES + "\n,,\n", "utf-8"),
    ],
)
def test_a_list_of_pairs(table, text, encoding):
    assert pairs(sources.read(table(text, encoding))) == PAIRS


def test_names_with_commas_and_other_scripts(table):
    source = sources.read(table('photo\n"p/3, four.png"\np/ж.png\n'))
    assert pairs(source) == [
        ("p/3, four", None, "p/3, four.png", None),
        ("p/ж", None, "p/ж.png", None),
    ]


def test_two_sketches_of_one_photo_are_two_pairs(table):
    source = sources.read(table("sketch,photo\ns/2.png,p/1.png\ns/2.jpg,p/1.png\n"))
    assert [pair[1] for pair in pairs(source)] == ["s/2.png", "s/2.jpg"]
    assert len({pair.id for pair in source.pairs}) == 2
    assert source.left_out == {}


def test_a_sketch_in_two_lines_is_two_pairs_with_names_of_their_own(table):
    source = sources.read(table("sketch,photo\ns/1.png,p/1.png\ns/1.png,p/2.png\n"))
    assert [pair.id for pair in source.pairs] == ["s/1", "s/1 (line 3)"]
    assert source.left_out == {}


def test_missing_files_are_listed_with_their_line(table, tmp_path):
    source = sources.read(table("sketch,photo\ns/1.png,p/1.png\ns/2.png,p/9.png\n"))
    assert len(source.pairs) == 1
    assert source.left_out == {
        str(tmp_path / "p/9.png"): "file not found (line 3)",
        str(tmp_path / "s/2.png"): "unpaired: its partner was not found",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column 'photo'"),
        ("sketch,photo\n", "no images"),
        ("a,b\n1,2\n", "no column 'photo'"),
        ("sketch,photo\ns/1.png,\n", "line 2: the photo is missing"),
        ("sketch,photo,split\ns/1.png,p/1.png,maybe\n", "unknown split 'maybe'"),
        ("photo\n.\n", "is not a file name"),
        ('photo\n"p/1.png' + "x" * 200_000, "field larger"),
    ],
)
def test_a_list_that_cannot_be_used(table, text, says):
    with pytest.raises(DataError, match=says):
        sources.read(table(text))


def test_a_list_that_is_no_text(table):
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        sources.read(table(LINES.replace("s/1", "ä"), "latin-1"))
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        sources.read(table(LINES, "utf-16-le"))
    with pytest.raises(DataError, match="No such file"):
        sources.read(table(LINES).with_name("absent.csv"))


def test_a_name_that_was_kept_from_becoming_a_formula_is_found(table, tmp_path):
    images.write(tmp_path / "p" / "=1.png", np.full((8, 8), 100, np.uint8))
    (tmp_path / "-x.png").write_bytes((tmp_path / "p" / "=1.png").read_bytes())
    source = sources.read(table("photo\n'-x.png\np/=1.png\n"))
    assert [pair.photo.name for pair in source.pairs] == ["-x.png", "=1.png"]
