import bz2
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from engine.fetching.packing import tarred, zipped

from sketchcli.engine.events import Note, Transferred
from sketchcli.engine.fetching import archive as archive_module
from sketchcli.engine.fetching.archive import is_archive, unpack
from sketchcli.errors import DataError

TREE = {"set/photos/a.jpg": b"photo" * 1000, "set/sketches/a.png": b"", "read me.txt": b"hello"}
COMPRESSED = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
KINDS = ["zip", *COMPRESSED]


def packed(kind, members):
    return zipped(members) if kind == "zip" else COMPRESSED[kind](tarred(members))


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def archive(work):
    """Writes an archive, under a name that says nothing."""

    def write(content):
        path = work / "archive.bin"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def folder(work):
    path = work / "inside" / "out"
    path.mkdir(parents=True)
    return path


def everything(_path):
    return True


def nothing(_path):
    return False


def unpack_all(archive, folder, **options):
    return unpack(archive, folder, wanted=everything, **options)


def tree(folder):
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_refused(archive, folder, match, wanted=everything, **options):
    """An error of one line that names the archive, and nothing written outside the folder."""
    with pytest.raises(DataError, match=match) as caught:
        unpack(archive, folder, wanted=wanted, **options)
    assert str(archive) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert sorted(p.name for p in archive.parent.iterdir()) == ["archive.bin", "inside"]
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_are_told_by_their_content(archive, folder, kind):
    path = archive(packed(kind, TREE.items()))
    assert is_archive(path)
    assert unpack_all(path, folder) == 3
    assert tree(folder) == TREE


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_formats_of_tar_are_read_with_their_long_names(archive, folder, format_):
    members = {f"{'deep/' * 20}{'long' * 20}-{i}.png": bytes([i]) * 700 for i in range(3)}
    unpack_all(archive(gzip.compress(tarred(members.items(), format=format_))), folder)
    assert tree(folder) == members


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no tar of GNU")
def test_an_archive_of_the_tar_program_is_read(work, folder, archive):
    (work / "inside" / "face.txt").write_text("hello")
    made = subprocess.run(
        ["tar", "-cz", "-C", work / "inside", "./face.txt"], check=True, capture_output=True
    ).stdout
    assert unpack_all(archive(made), folder) == 1
    assert tree(folder) == {"face.txt": b"hello"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK",
        b"\x1f\x8b",
        b"BZhello",
        b"\xfd7zXZ\0",
        gzip.compress(b"no tar", mtime=0),
        lzma.compress(b"x" * 2000),
        bytes(10240),
        b"\xff\xd8\xff" + zipped(TREE.items()),
    ],
)
def test_what_is_no_archive_is_said_to_be_none(archive, folder, content):
    path = archive(content)
    assert not is_archive(path)
    assert_refused(path, folder, "neither a zip nor a tar|damaged")


def test_what_is_not_there_is_no_archive(work, folder):
    assert not is_archive(work / "absent")
    assert not is_archive(work)
    with pytest.raises(DataError, match=r"cannot read .*absent"):
        unpack_all(work / "absent", folder)
    with pytest.raises(DataError, match="cannot read"):
        unpack_all(work, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_wanted_is_written(archive, folder, kind):
    seen = []
    path = archive(packed(kind, TREE.items()))
    wanted = lambda name: seen.append(name) or name.endswith(".jpg")  # noqa: E731
    assert unpack(path, folder, wanted=wanted) == 1
    assert list(dict.fromkeys(seen)) == list(TREE)
    assert list(tree(folder)) == ["set/photos/a.jpg"]


def test_an_error_of_wanted_is_no_damage(archive, folder):
    def wanted(name):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        unpack(archive(zipped(TREE.items())), folder, wanted=wanted)


def test_an_empty_zip_has_no_files(archive, folder):
    assert unpack_all(archive(zipped([])), folder) == 0


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_come_in_one_unicode_form(archive, folder, kind):
    decomposed = unicodedata.normalize("NFD", "Zoë/é.png")
    names = [decomposed, "./顔//写真.png", "emoji ✏️.png"]
    unpack_all(archive(packed(kind, [(name, b"") for name in names])), folder)
    assert sorted(tree(folder)) == sorted(["Zoë/é.png", "顔/写真.png", "emoji ✏️.png"])


def test_utf_8_names_are_found_in_zips_that_do_not_declare_them(archive, folder):
    content = zipped([("caf\u00e9.png", b"")]).replace(b"\0\x08", b"\0\0")
    with zipfile.ZipFile(archive(content)) as opened:
        assert opened.namelist() == ["caf├⌐.png"]
    unpack_all(archive(content), folder)
    assert list(tree(folder)) == ["café.png"]


def test_old_dos_names_are_read_as_such(archive, folder):
    content = zipped([("cafe.png", b"")]).replace(b"cafe", b"caf\x82")
    unpack_all(archive(content), folder)
    assert list(tree(folder)) == ["café.png"]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_before_unicode_are_read_and_told_apart(archive, folder, format_):
    old = [b"caf\xe9.jpg", b"caf\xe8.jpg", b"\x80.jpg", b"\x81.jpg", b"\x83e.jpg"]
    members = [(name.decode("utf-8", "surrogateescape"), name) for name in old]
    unpack_all(archive(tarred(members, format=format_)), folder)
    assert tree(folder) == {
        "café.jpg": b"caf\xe9.jpg",
        "cafè.jpg": b"caf\xe8.jpg",
        "€.jpg": b"\x80.jpg",
        "\x81.jpg": b"\x81.jpg",
        "ƒe.jpg": b"\x83e.jpg",
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_times_and_permissions_are_not_taken_over(archive, folder, kind):
    if kind == "zip":
        info = zipfile.ZipInfo("run.sh", (1999, 1, 1, 0, 0, 0))
        info.external_attr = (stat.S_IFREG | 0o6777) << 16
    else:
        info = tarfile.TarInfo("run.sh")
        info.mode, info.mtime = 0o6777, 1e9
    unpack_all(archive(packed(kind, [(info, b"")])), folder)
    status = (folder / "run.sh").stat()
    assert not status.st_mode & 0o6111
    assert status.st_mtime > 1.5e9


# Members that must not be


BAD_NAMES = {
    "/etc/passwd": "absolute",
    "//host/share": "absolute",
    "../up.txt": "upwards",
    "a/../../up.txt": "upwards",
    "a/..": "upwards",
    "a/.. /up.txt": "upwards",
    "a/... ": "upwards",
    "C:/up.txt": "drive letter",
    "./c:up.txt": "drive letter",
    "..\\up.txt": "backslash",
    "a\\b.txt": "backslash",
    "long" * 64: "too long",
    "deep/" * 205 + "x": "too long",
    "ж" * 128: "too long",
}


@pytest.mark.parametrize("wanted", [everything, nothing])
@pytest.mark.parametrize("kind", ["zip", "gz"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_elsewhere_is_refused(archive, folder, kind, name, wanted):
    path = archive(packed(kind, [("good.txt", b""), (name, b"bad")]))
    match = f"member {re.escape(repr(name[:100]))} .*{BAD_NAMES[name]}"
    assert_refused(path, folder, match, wanted)


def test_a_nul_in_a_name_is_refused(archive, folder):
    assert_refused(archive(zipped([("a.png!", b"")]).replace(b"g!", b"g\0")), folder, "NUL")
    info = tarfile.TarInfo("a.png")
    info.pax_headers = {"path": "a.png\0.exe"}
    assert_refused(archive(tarred([(info, b"")])), folder, "NUL")


def test_a_file_without_a_name_is_refused(archive, folder):
    assert_refused(archive(tarred([(".", b"x")])), folder, "no name")


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
        (b"Z", "not a regular file"),
    ],
)
def test_a_tar_brings_nothing_but_files(archive, folder, type_, said):
    info = tarfile.TarInfo("photos")
    info.type, info.linkname = type_, "../../.."
    path = archive(tarred([(info, b""), ("photos/a.txt", b"bad")]))
    assert_refused(path, folder, f"'photos' is {said}")
    events = []
    wanted = lambda name: name == "photos/a.txt"  # noqa: E731
    assert unpack(path, folder, wanted=wanted, reporter=events.append) == 1
    assert tree(folder) == {"photos/a.txt": b"bad"}
    assert not (folder / "photos").is_symlink()
    assert sorted(p.name for p in path.parent.iterdir()) == ["archive.bin", "inside"]
    (note,) = (event for event in events if isinstance(event, Note))
    assert "encrypted files in archive.bin: 1" in note.message


def test_a_sparse_file_is_refused(archive, folder):
    info = tarfile.TarInfo("holes.bin")
    info.pax_headers = {"GNU.sparse.map": "0,1,99999999,1", "GNU.sparse.size": "999999999"}
    assert_refused(archive(tarred([(info, b"xx")])), folder, "not a regular file")


@pytest.mark.parametrize(
    ("mode", "said"), [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a device")]
)
def test_a_zip_brings_nothing_but_files(archive, folder, mode, said):
    info = zipfile.ZipInfo("photos")
    info.external_attr = (mode | 0o777) << 16
    path = archive(zipped([(info, b"../../..")]))
    assert_refused(path, folder, said)
    assert unpack(path, folder, wanted=nothing) == 0
    assert tree(folder) == {}


def test_an_encrypted_member_is_refused(archive, folder):
    content = bytearray(zipped([("a.txt", b"hello")]))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    assert_refused(archive(content), folder, "'a.txt' is encrypted")
    assert unpack(archive(content), folder, wanted=nothing) == 0


def test_an_unusual_compression_is_refused(archive, folder):
    content = zipped([("a.txt", b"hello")], compress_type=zipfile.ZIP_BZIP2)
    assert_refused(archive(content), folder, "unsupported method")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "names",
    [
        ("a.txt", "a.txt"),
        ("a.txt", "./a.txt"),
        ("é", "e\u0301"),
        ("a", "a/b"),
        ("a", "a/b/c"),
        ("a/b", "a"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_at_one_place_are_refused(archive, folder, kind, names):
    path = archive(packed(kind, [(name, b"x") for name in names]))
    assert_refused(path, folder, "same path on this disk")


class CarelessDisk(type(Path())):
    """A path on a disk that tells no capitals from small letters."""

    def __truediv__(self, name):
        return super().__truediv__(str(name).lower())


HARDLY_DIFFERENT = [("IMG_1.JPG", "img_1.jpg"), ("A/b.png", "a/B.png"), ("A/b", "a")]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("names", [*HARDLY_DIFFERENT, ("straße.jpg", "strasse.jpg")])
def test_names_are_only_one_where_the_disk_says_so(archive, folder, kind, names):
    path = archive(packed(kind, [(name, name.encode()) for name in names]))
    (folder / "x").touch()
    if (folder / "X").exists():
        pytest.skip("this disk tells no capitals from small letters")
    (folder / "x").unlink()
    assert unpack_all(path, folder) == 2
    assert tree(folder) == {name: name.encode() for name in names}


@pytest.mark.parametrize("names", HARDLY_DIFFERENT)
def test_a_disk_that_cannot_hold_both_is_noticed(archive, folder, names):
    path = archive(zipped([(name, name.encode()) for name in names]))
    assert_refused(path, CarelessDisk(folder), f"'{names[1]}' has the same path on this disk")
    assert tree(folder) == {names[0].lower(): names[0].encode()}


@pytest.mark.parametrize("name", ["a/b:c.jpg", "12:30.jpg", "a/C:/d.jpg"])
def test_a_colon_is_a_letter_like_others_but_on_windows(archive, folder, monkeypatch, name):
    path = archive(zipped([(name, b"x")]))
    monkeypatch.setattr(archive_module, "IS_WINDOWS", True)
    assert_refused(path, folder, "has a colon")
    if os.name != "nt":
        monkeypatch.setattr(archive_module, "IS_WINDOWS", False)
        unpack_all(path, folder)
        assert tree(folder) == {name: b"x"}


def test_a_file_that_is_there_already_is_never_overwritten(archive, folder):
    (folder / "a.txt").write_text("mine")
    with pytest.raises(DataError, match="same path on this disk"):
        unpack_all(archive(zipped([("a.txt", b"theirs")])), folder)
    assert (folder / "a.txt").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make a link")
def test_a_link_that_is_there_already_is_not_followed(work, archive, folder):
    (folder / "a.txt").symlink_to(work / "outside.txt")
    with pytest.raises(DataError, match="same path on this disk"):
        unpack_all(archive(zipped([("a.txt", b"theirs")])), folder)
    assert not (work / "outside.txt").exists()


# Damage


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_was_cut_anywhere_is_refused(archive, folder, kind):
    noise = os.urandom(3000)
    whole = packed(kind, [(f"{index}.bin", noise) for index in range(3)])
    # A tar's end is two blocks of zeros and more; without its last ones it is still whole.
    end = whole.rstrip(b"\0") if kind == "tar" else whole
    for size in range(0, len(end), 512 if kind == "tar" else 97):
        with pytest.raises(DataError):
            unpack_all(archive(whole[:size]), folder / str(size))


@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz"])
def test_a_damaged_byte_is_found(archive, folder, kind):
    whole = bytearray(packed(kind, [("a.bin", os.urandom(5000))]))
    whole[2500] ^= 0xFF
    assert_refused(archive(whole), folder, "damaged|impossible")


def test_the_check_sum_at_the_end_of_a_compressed_tar_counts(archive, folder):
    whole = bytearray(packed("gz", TREE.items()))
    whole[-5] ^= 0xFF
    assert_refused(archive(whole), folder, "damaged")


def test_a_damaged_tar_header_is_not_taken_for_the_end(archive, folder):
    whole = bytearray(tarred([("a.txt", b"x"), ("b.txt", b"y")]))
    whole[1024 + 10] ^= 0xFF
    assert_refused(archive(whole), folder, "damaged")


@pytest.mark.parametrize("said", [4000, 6000])
def test_a_zip_header_that_lies_about_the_size_is_found(archive, folder, said):
    content = bytearray(zipped([("a.bin", os.urandom(5000))]))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + place, said)
    assert_refused(archive(content), folder, "'a.bin' (is damaged|has 5000 bytes)")


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_a_tar_header_of_an_impossible_size_is_refused(archive, folder, size):
    content = bytearray(tarred([("a.bin", b"hello")]))
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert_refused(archive(content), folder, "damaged|cannot read|exceeds the limit")


@pytest.mark.parametrize("size", ["-1", "-99999"])
def test_a_tar_note_with_a_size_below_zero_is_refused(archive, folder, size):
    info = tarfile.TarInfo("a.bin")
    info.pax_headers = {"size": size}
    assert_refused(archive(tarred([(info, b"hello"), ("b", b"")])), folder, "damaged|regular file")


def test_a_huge_tar_note_is_not_read_into_memory(archive, folder):
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    assert_refused(archive(tarred([(info, b"x" * 100_000), ("a", b"")])), folder, "impossible size")


# Limits


@pytest.fixture
def limits(monkeypatch):
    """Sets limits of the module."""

    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setattr(archive_module, name, value)

    return set_all


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_stopped_while_it_unpacks(archive, folder, kind, limits):
    path = archive(packed(kind, [("zeros.bin", bytes(12_000_000))]))
    if kind == "tar":
        limits(MOST_GROWTH=1_000_000, MOST_BYTES=1_000_000)
    assert_refused(path, folder, "limit of 1000000 bytes|10000000 bytes")
    written = sum(map(len, tree(folder).values()))
    assert written <= (1_000_000 if kind == "tar" else 10_000_000)


def test_a_bomb_that_nobody_wants_is_not_unpacked_to_skip_it(archive, folder):
    path = archive(packed("gz", [("zeros.bin", bytes(12_000_000)), ("a.txt", b"a")]))
    with pytest.raises(DataError, match="unpacks to more than 10000000"):
        unpack(path, folder, wanted=lambda name: name == "a.txt")
    path = archive(packed("zip", [("zeros.bin", bytes(12_000_000)), ("a.txt", b"a")]))
    assert unpack(path, folder, wanted=lambda name: name == "a.txt") == 1


def test_zeros_behind_the_end_of_a_tar_are_a_bomb_too(archive, folder):
    path = archive(gzip.compress(tarred([("a.txt", b"a")]) + bytes(12_000_000)))
    assert_refused(path, folder, "unpacks to more than")


def test_files_of_a_zip_that_share_their_bytes_are_counted_each(archive, folder):
    content = zipped([("a.bin", bytes(6_000_000))])
    place = content.index(b"PK\x01\x02")
    local, entry, end = content[:place], content[place:-22], bytearray(content[-22:])
    struct.pack_into("<HHI", end, 8, 2, 2, 2 * len(entry))
    assert_refused(archive(local + entry * 2 + end), folder, "limit of 10000000 bytes")
    assert not any(folder.iterdir())
    with pytest.raises(DataError, match="limit of 10000000 bytes"):
        unpack_all(archive(local + entry + entry.replace(b"a.bin", b"b.bin") + end), folder / "b")


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_files_and_bytes_are_counted_up_to_the_limit(archive, folder, kind, limits):
    path = archive(packed(kind, [(f"{index}.bin", b"x" * 100) for index in range(5)]))
    limits(MOST_FILES=5, MOST_BYTES=500)
    assert unpack_all(path, folder / "a") == 5
    limits(MOST_FILES=4)
    with pytest.raises(DataError, match=r"'4\.bin' exceeds the limit of 4 files"):
        unpack_all(path, folder / "b")
    limits(MOST_FILES=5, MOST_BYTES=499)
    with pytest.raises(DataError, match=r"'4\.bin' exceeds the limit of 499 bytes"):
        unpack_all(path, folder / "c")


def test_what_is_not_wanted_is_not_counted(archive, folder, limits):
    path = archive(zipped([(f"{index}.bin", b"x" * 100) for index in range(5)]))
    limits(MOST_FILES=1, MOST_BYTES=100)
    assert unpack(path, folder, wanted=lambda name: name == "3.bin") == 1


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("size", [0, 1])
def test_more_files_than_a_small_archive_can_honestly_hold_are_refused(archive, folder, kind, size):
    path = archive(packed(kind, [(f"{i:05}.png", b"x" * size) for i in range(500)]))
    assert_refused(path, folder, "exceeds the limit of [0-9]+ files")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_any_number_of_files_that_take_room_in_the_archive_is_unpacked(archive, folder, kind):
    assert (
        unpack_all(archive(packed(kind, [(f"{i}.png", b"x") for i in range(300)])), folder) == 300
    )


def test_a_zip_that_announces_too_much_is_refused_before_anything_is_written(archive, folder):
    path = archive(zipped([("a.jpg", b"a"), ("b.jpg", bytes(20_000_000))]))
    assert_refused(path, folder, "'b.jpg' exceeds the limit of")
    assert tree(folder) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_on_the_disk_is_not_begun(archive, folder, kind, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 0, 1000))
    path = archive(packed(kind, [("a.jpg", os.urandom(2000))]))
    with pytest.raises(DataError, match=r"cannot write .* holds over 2000 bytes"):
        unpack_all(path, folder)
    assert tree(folder) == {}


def test_the_list_of_a_zip_is_not_read_if_it_takes_too_much_memory(archive, folder, monkeypatch):
    path = archive(zipped([(f"{index:05}.png", b"") for index in range(3000)]))
    monkeypatch.setenv("SKETCH2IMG_MAX_MEMORY", "1M")
    with pytest.raises(DataError, match=r"the list of entries in .* would take"):
        unpack_all(path, folder)


def test_a_sparse_map_or_attributes_for_all_members_cannot_grow_without_end(archive, folder):
    sparse = tarfile.TarInfo("a.png")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    long_map = b"4000000\n" + b"1\n" * 2_000_000
    path = archive(tarred([(sparse, long_map)], format=tarfile.PAX_FORMAT))
    assert_refused(path, folder, "header of more than 1048576 bytes")
    many = {f"key{index}": "x" for index in range(2000)}
    path = archive(tarred([("a.png", b"a")], format=tarfile.PAX_FORMAT, pax_headers=many))
    assert_refused(path, folder, "too many attributes")


def test_entries_that_nobody_wants_are_bounded_too(archive, folder):
    content = gzip.compress(tarred([(f"{index:05}.txt", b"") for index in range(3000)]), 9)
    assert_refused(archive(content), folder, "limit of [0-9]+ entries", wanted=nothing)


def test_an_archive_in_an_archive_is_just_a_file(archive, folder):
    bomb = zipped([("zeros.bin", bytes(12_000_000))])
    unpack_all(archive(zipped([("bomb.zip", bomb)])), folder)
    assert tree(folder) == {"bomb.zip": bomb}


def test_a_full_disk_is_named(archive, folder, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    path = archive(zipped(TREE.items()))
    monkeypatch.setattr(type(folder), "mkdir", full)
    with pytest.raises(DataError, match=r"cannot write .*a\.jpg: No space left"):
        unpack_all(path, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_is_in_bytes_of_the_archive(archive, folder, kind, monkeypatch):
    monkeypatch.setattr("sketchcli.engine.events.SECONDS_BETWEEN_REPORTS", 0)
    path = archive(packed(kind, [(f"{index}.bin", os.urandom(100_000)) for index in range(5)]))
    events = []
    unpack_all(path, folder, reporter=events.append)
    size = path.stat().st_size
    assert events[-1] == Transferred("unpacking archive.bin", size, size)
    assert [event.done == size for event in events].count(True) == 1
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert len(events) >= (1 if kind == "bz2" else 4)  # bz2 is read in large blocks
