"""The table of complaints: every row has an answer that exists, and a test that exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "complaints.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def rows():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return [row for row in cells if row[0].isdigit()]


@cache
def names_in(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_forty_rows_in_order():
    assert [row[0] for row in rows()] == [str(number) for number in range(1, 41)]
    assert all(len(row) == 5 and all(row) for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_has_threads_a_page_and_tests_that_exist(row):
    _, _, threads, answer, held_by = row
    assert re.search(r"#\d+|pix2pixHD", threads)
    links = LINK.findall(answer)
    assert links
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []
    tests = TEST.findall(held_by)
    assert tests
    assert TEST.sub("", held_by).strip() == ""  # nothing but tests, each readable
    missing = [f"{file}::{name}" for file, name in tests if name not in names_in(file)]
    assert missing == []
