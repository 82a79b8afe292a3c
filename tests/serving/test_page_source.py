"""The files of the page: no browser is needed to check them."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "src" / "sketchcli" / "serving" / "page"
FILES = sorted(PAGE.iterdir())
LIMIT = 1800  # lines of script and style


def test_script_and_style_stay_small():
    written = [file for file in FILES if file.suffix in {".js", ".css"}]
    assert len(written) > 5
    assert sum(len(file.read_text().splitlines()) for file in written) <= LIMIT


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_an_address_outside(file):
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", re.sub(r"//\s.*", "", file.read_text()))
    assert [address for address in found if address != "http://www.w3.org"] == []


def test_the_policy_of_the_page_allows_all_of_its_markup():
    markup = (PAGE / "index.html").read_text()
    assert re.findall(r"\sstyle=|\son\w+=|<style|javascript:", markup) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", markup) == []


def test_every_element_that_a_script_finds_is_in_the_markup():
    ids = set(re.findall(r'id="([\w-]+)"', (PAGE / "index.html").read_text()))
    finders = r'\b(?:button|canvas|dialog|element|image|input|select)\("([\w-]+)"\)'
    asked = {i for file in PAGE.glob("*.js") for i in re.findall(finders, file.read_text())}
    assert len(asked) > 40
    assert asked <= ids
