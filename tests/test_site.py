"""The documentation as a site: without a warning, whole, and loading nothing from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import DOCS, ROOT

LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
THEME = {"www.mkdocs.org", "github.com", "readthedocs.org"}  # named at the foot of each page


class Addresses(HTMLParser):
    """What a page loads, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loaded += filter(None, [values.get(LOADING.get(tag, ""))])
        self.linked += filter(None, [values.get("href") if tag == "a" else None])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site's folder, and what was said while it was built."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture(scope="module")
def pages(built):
    """Each page's addresses, by its file's path in the site."""
    folder, _ = built
    files = sorted(folder.rglob("*.html"))
    texts = {file.relative_to(folder): file.read_text(encoding="utf-8") for file in files}
    return {file: Addresses(text) for file, text in texts.items()}


def test_it_is_built_without_a_warning(built):
    assert not [line for line in built[1].splitlines() if line.startswith(("WARNING", "ERROR"))]


def test_every_page_is_in_the_menu(pages):
    wanted = {page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in DOCS}
    menu = {address.partition("#")[0] for address in pages[Path("index.html")].linked}
    assert wanted - menu == set()


def test_nothing_is_loaded_from_elsewhere(built, pages):
    loaded = {address for page in pages.values() for address in page.loaded}
    styles = [css.read_text(encoding="utf-8") for css in built[0].rglob("*.css")]
    loaded |= {address for text in styles for address in re.findall(r"url\(['\"]?([^'\")]+)", text)}
    assert len(loaded) > 5
    assert [a for a in loaded if urlsplit(a).netloc and not a.startswith("data:")] == []


def test_it_links_to_no_other_hosts_than_the_pages_do(pages):
    linked = {urlsplit(address).netloc for page in pages.values() for address in page.linked}
    written = "".join(page.read_text(encoding="utf-8") for page in DOCS)
    own = {urlsplit(address).netloc for address in re.findall(r"https?://[^\s)>\"`]+", written)}
    assert linked - own - THEME == {""}
