import errno
import json
import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sketchcli import files
from sketchcli.errors import DataError

MARKER = "index.json"


def new_folder(target, **options):
    return files.new_folder(target, is_ours=lambda f: (f / MARKER).is_file(), **options)


def fill_the_disk(part):
    part.write_text("half of it")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def give_up(part):
    part.write_text("half of it")
    raise ZeroDivisionError


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def work(tmp_path):
    """A folder with nothing in it: the test's home is elsewhere."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def unwritable(work):
    """A path below a regular file, where not even root can write."""
    (work / "file").write_text("in the way")
    return work / "file" / "below"


def test_a_file_is_written_with_the_folders_above_it(work):
    path = work / "new" / "deep" / "note.txt"
    files.write_text(path, "zwölf ✏️")
    assert path.read_bytes() == "zwölf ✏️".encode()
    assert names_in(path.parent) == ["note.txt"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_with_and_without_a_byte_order_mark(work, encoding):
    (work / "note.txt").write_bytes("zwölf ✏️\r\n\u2028\rend".encode(encoding))
    assert files.read_text(work / "note.txt") == "zwölf ✏️\n\u2028\nend"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_text_in_another_encoding_is_an_error(work, encoding):
    (work / "note.txt").write_bytes("zwölf".encode(encoding))
    with pytest.raises(DataError, match=r"note\.txt is not a text file in UTF-8"):
        files.read_text(work / "note.txt")


def test_an_endless_text_is_not_read(monkeypatch):
    monkeypatch.setattr(files, "LARGEST_TEXT", 2**20)
    with pytest.raises(DataError, match="/dev/zero is larger than 1 MB"):
        files.read_text(Path("/dev/zero"))


def test_an_old_file_is_replaced(work):
    files.write_text(work / "note.txt", "a long old text")
    files.write_text(work / "note.txt", "new")
    assert (work / "note.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("save", "raised"), [(fill_the_disk, DataError), (give_up, ZeroDivisionError)]
)
def test_a_failed_write_leaves_the_old_content_and_no_rest(work, save, raised):
    path = work / "note.txt"
    path.write_text("old")
    with pytest.raises(raised):
        files.write_whole(path, save)
    assert path.read_text() == "old"
    assert names_in(work) == ["note.txt"]


def test_a_failed_first_write_leaves_nothing(work):
    with pytest.raises(DataError):
        files.write_whole(work / "note.txt", fill_the_disk)
    assert names_in(work) == []


def test_a_full_disk_is_named_with_the_file(work):
    with pytest.raises(DataError, match=r"note\.txt.*[Nn]o space left"):
        files.write_whole(work / "note.txt", fill_the_disk)


def test_the_temporary_file_has_the_suffix_that_a_library_may_look_at(work):
    seen = []
    files.write_whole(work / "a.png", lambda part: seen.append(part) or part.write_text(""))
    assert seen[0].suffix == ".png"
    assert seen[0].parent.parent == work
    assert seen[0].parent.name.startswith(".")
    assert seen[0].name.startswith(".")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_others_may_read_as_the_users_mask_says(work):
    old = os.umask(0o022)
    try:
        files.write_text(work / "note.txt", "")
        with new_folder(work / "set"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((work / "note.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((work / "set").stat().st_mode) == 0o755


def test_the_users_mask_is_never_changed_for_other_threads_would_write_by_it(work, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("it is the whole process's"))
    files.write_text(work / "note.txt", "")
    with new_folder(work / "set"):
        pass
    assert names_in(work) == ["note.txt", "set"]


def test_json_is_readable_by_people_and_programs(work):
    files.write_json(work / "a.json", {"name": "Zoë", "values": [1, 2.5, None]})
    text = (work / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "Zoë", "values": [1, 2.5, None]}
    assert "Zoë" in text
    assert text.endswith("}\n")


def test_a_folder_appears_when_it_is_full(work):
    with new_folder(work / "sets" / "faces") as part:
        (part / "a.txt").write_text("a")
        assert not (work / "sets" / "faces").exists()
    assert names_in(work / "sets") == ["faces"]
    assert names_in(work / "sets" / "faces") == ["a.txt"]


def test_an_existing_folder_is_not_touched_unasked(work):
    (work / "faces").mkdir()
    with pytest.raises(DataError, match="exists") as caught, new_folder(work / "faces"):
        pytest.fail("the block must not run")
    assert "--overwrite" in caught.value.hint
    assert names_in(work) == ["faces"]


@pytest.fixture
def older(work):
    """A folder that an earlier command made."""
    folder = work / "faces"
    folder.mkdir()
    (folder / MARKER).write_text("old")
    return folder


def test_overwriting_replaces_the_whole_folder(work, older):
    with new_folder(older, overwrite=True) as part:
        (part / "new.txt").write_text("new")
        assert names_in(older) == [MARKER]
    assert names_in(work) == ["faces"]
    assert names_in(older) == ["new.txt"]


def an_empty_folder(target):
    target.mkdir()


def a_folder_of_others(target):
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")


def a_folder_with_the_marker_further_down(target):
    (target / "faces").mkdir(parents=True)
    (target / "faces" / MARKER).write_text("one of many")


def a_folder_with_a_folder_of_that_name(target):
    (target / MARKER).mkdir(parents=True)


def a_file(target):
    target.write_text("years of work")


@pytest.mark.parametrize(
    "make",
    [
        an_empty_folder,
        a_folder_of_others,
        a_folder_with_the_marker_further_down,
        a_folder_with_a_folder_of_that_name,
        a_file,
    ],
)
def test_what_is_not_ours_is_never_replaced(work, make):
    make(work / "faces")
    before = sorted(work.rglob("*"))
    said = pytest.raises(DataError, match="faces was not made by this command")
    with said as caught, new_folder(work / "faces", overwrite=True):
        pytest.fail("the block must not run")
    assert "another name" in caught.value.hint
    assert sorted(work.rglob("*")) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make a link")
def test_overwriting_a_link_replaces_the_folder_that_it_points_to(work, older):
    (work / "link").symlink_to(older)
    with new_folder(work / "link", overwrite=True) as part:
        (part / "new.txt").write_text("new")
    assert (work / "link").is_symlink()
    assert names_in(older) == ["new.txt"]


@pytest.mark.parametrize(
    ("save", "raised"), [(fill_the_disk, DataError), (give_up, ZeroDivisionError)]
)
def test_a_failed_folder_leaves_the_old_one_and_no_rest(work, older, save, raised):
    with pytest.raises(raised), new_folder(older, overwrite=True) as part:
        save(part / "new.txt")
    assert names_in(work) == ["faces"]
    assert (older / MARKER).read_text() == "old"


def test_a_place_that_cannot_be_written_is_a_data_error(unwritable):
    with pytest.raises(DataError, match="below"):
        files.write_text(unwritable, "text")
    with pytest.raises(DataError, match="below"), new_folder(unwritable / "set"):
        pytest.fail("the block must not run")


def test_a_file_cannot_take_a_folders_name(work):
    (work / "faces").mkdir()
    with pytest.raises(DataError, match="faces"):
        files.write_text(work / "faces", "text")
    assert names_in(work) == ["faces"]


def test_a_lock_keeps_others_out_and_goes_away(work):
    target = work / "sets" / "faces"
    with files.locked(target):
        assert names_in(work / "sets") == [".faces.lock"]
        said = pytest.raises(DataError, match=r"^faces is being made by another sketch2img")
        with said as caught, files.locked(target):
            pytest.fail("the block must not run")
        assert f"(process {os.getpid()})" in caught.value.message
        assert "wait" in caught.value.hint
        with files.locked(work / "sets" / "houses"):
            pass
    assert names_in(work / "sets") == []
    with files.locked(target):
        pass


def test_a_lock_is_released_by_an_error(work):
    with pytest.raises(ZeroDivisionError), files.locked(work / "faces"):
        raise ZeroDivisionError
    with files.locked(work / "faces"):
        pass
    assert names_in(work) == []


def test_a_lock_keeps_other_threads_out(work):
    def try_it():
        with files.locked(work / "faces"):
            return True

    with ThreadPoolExecutor(1) as pool:
        with files.locked(work / "faces"), pytest.raises(DataError, match="another sketch2img"):
            pool.submit(try_it).result()
        assert pool.submit(try_it).result()


HOLD = """
import sys, time
from pathlib import Path
from sketchcli.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(work):
    command = [sys.executable, "-c", HOLD, work / "faces"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        who = "" if os.name == "nt" else rf" \(process {process.pid}\)"
        with (
            pytest.raises(DataError, match=f"another sketch2img command{who}$"),
            files.locked(work / "faces"),
        ):
            pytest.fail("the block must not run")
        process.kill()
    with files.locked(work / "faces"):
        pass
    assert names_in(work) == []


COUNT = """
import sys
from pathlib import Path
from sketchcli.errors import DataError
from sketchcli.files import locked
counter, done = Path(sys.argv[1]), 0
while done < 50:
    try:
        with locked(counter):
            counter.write_text(str(int(counter.read_text()) + 1))
            done += 1
    except DataError:
        pass
"""


def test_a_lock_that_comes_and_goes_has_one_holder_at_a_time(work):
    (work / "counter").write_text("0")
    command = [sys.executable, "-c", COUNT, work / "counter"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]
    assert (work / "counter").read_text() == "150"
    assert names_in(work) == ["counter"]


def test_a_damaged_lock_file_is_no_obstacle(work):
    (work / ".faces.lock").write_bytes(b"\xff\xfe not a number")
    with files.locked(work / "faces"):
        pass


def test_a_lock_that_cannot_be_written_is_a_data_error(unwritable):
    with pytest.raises(DataError, match=r"cannot write .*below"), files.locked(unwritable / "set"):
        pytest.fail("the block must not run")


def ours(folder):
    return (folder / "mark").exists()


@pytest.fixture
def two_sets(tmp_path):
    """An old set under its name, and a new one beside it."""
    for name in ("set", ".set.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mark").write_text(name)
    return tmp_path / ".set.new", tmp_path / "set"


def test_ctrl_c_between_the_two_renames_leaves_the_old_set(two_sets, monkeypatch):
    part, target = two_sets
    rename = Path.replace

    def interrupted(self, other):
        if self == part:
            raise KeyboardInterrupt
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.move_in(part, target, is_ours=ours, overwrite=True)
    assert (target / "mark").read_text() == "set"


def test_a_kill_between_the_two_renames_is_mended_by_the_next_call(two_sets):
    part, target = two_sets
    target.replace(target.with_name(".set.old"))  # as far as the killed process came
    files.check_new(target, is_ours=ours, overwrite=False)
    assert not target.exists()  # another process may be between the two: only a lock tells
    with files.locked(target), pytest.raises(DataError, match="exists"):
        files.check_new(target, is_ours=ours, overwrite=False)
    assert (target / "mark").read_text() == "set"
    files.move_in(part, target, is_ours=ours, overwrite=True)
    assert (target / "mark").read_text() == ".set.new"
    assert [path.name for path in target.parent.iterdir()] == ["set"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_only_a_regular_file_is_opened_and_nothing_is_waited_for(tmp_path, kind):
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind(str(path))
    for read in (files.open_regular, files.sha256_of):
        with pytest.raises(OSError, match="file") as caught:
            read(path)
        assert caught.value.filename == str(path)


def test_a_link_to_a_regular_file_is_opened(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"text")
    with files.open_regular(tmp_path / "link") as file:
        assert file.read() == b"text"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_device_or_a_pipe_is_never_replaced(tmp_path):
    """`--overwrite --manifest /dev/null`, as root, replaced the device of the whole machine."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="a device or a named pipe, not a file"):
        files.write_text(tmp_path / "pipe.csv", "text")
    assert (tmp_path / "pipe.csv").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.csv"]
