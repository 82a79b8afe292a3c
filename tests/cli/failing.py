"""How every verb fails: one line, one code, and nothing is changed."""

from pathlib import Path

from sketchcli.errors import ExitCode


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_fails(outcome, code: ExitCode, *texts: str) -> None:
    """The command ended with this code, one line that says why, and one that says what next."""
    lines = [line for line in outcome.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], outcome.stderr
    assert outcome.code == code, outcome.stderr
    for text in texts:
        assert text in "\n".join(lines)
    assert outcome.stdout == ""
