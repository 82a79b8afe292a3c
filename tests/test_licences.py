"""The list of what an installation brings, compared by names: versions and systems differ."""

import re

import write_licences


def test_every_package_that_an_installation_brings_is_listed():
    text = write_licences.PAGE.read_text(encoding="utf-8")
    listed, here = rows(text), rows(write_licences.page())
    assert set(here) <= set(listed), "make docs"
    assert {"torch", "numpy", "rich", "matplotlib"} <= set(here)
    assert not [name for name, terms in listed.items() if "not stated" in terms]
    unlike = {name for name in here if terms_of(here[name]) != terms_of(listed[name])}
    assert not unlike


def rows(text):
    """Package and licence of each line of the table."""
    return dict(re.findall(r"^\| ([\w-]+) \| [^|]+ \| ([^|]+) \|", text, re.MULTILINE))


def terms_of(licence):
    """The words of a licence, whatever its spelling: 'MIT License' is 'MIT'."""
    words = re.findall(r"[A-Za-z]+", licence.replace("License", "").replace("Software", ""))
    return {word.upper() for word in words}
