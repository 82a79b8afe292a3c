import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import numpy as np
import pytest
import requests
from engine.fetching.loopback import Reply, serving, wait_until

from sketchcli import __version__, registry
from sketchcli.assets import RemoteFile
from sketchcli.engine.events import Note, Transferred
from sketchcli.engine.fetching.download import RETRY, download
from sketchcli.engine.fetching.fetch import FetchConfig, obtain
from sketchcli.errors import DataError, DownloadError

QUICK = RETRY.new(total=2, backoff_factor=0.01, backoff_jitter=0.0, backoff_max=0.05)
ONCE = RETRY.new(total=0)
BODY, OTHER = (np.random.default_rng(seed).bytes(300_000) for seed in (0, 1))
HASH = hashlib.sha256(BODY).hexdigest()
BLOCK = 1 << 15


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Whatever the machine's own environment says about proxies is not for the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "sets" / "faces.zip"


def fetch(urls, target, **options):
    urls = [urls] if isinstance(urls, str) else urls
    return download(urls, target, **({"retry": QUICK, "timeout": (5, 5)} | options))


def names_beside(target):
    return sorted(path.name for path in target.parent.iterdir())


PART, SIDECAR = ".faces.zip.part", ".faces.zip.part.json"


def leave_a_part(server, target, size=100_000, **reply):
    """A part of BODY on the disk, as an earlier run leaves it; returns its source."""
    url = server.serve("/a", Reply(BODY, cut=size, **reply))
    with pytest.raises(DownloadError, match="cut"):
        fetch(url, target, retry=ONCE)
    assert names_beside(target) == [PART, SIDECAR]
    kept = (target.parent / PART).read_bytes()
    assert kept == BODY[: len(kept)]
    assert len(kept) == size
    server.seen.clear()
    return url


def test_a_file_arrives_whole_and_alone(server, target):
    url = server.serve("/a", Reply(BODY))
    got = fetch(url, target, sha256=HASH.upper())
    assert target.read_bytes() == BODY
    assert (got.path, got.origin, got.sha256) == (target, url, HASH)
    assert names_beside(target) == ["faces.zip"]
    (seen,) = server.seen
    assert seen.headers["User-Agent"] == f"sketch2img/{__version__}"
    assert seen.headers["Accept-Encoding"] == "identity"


def test_an_old_file_is_replaced_and_an_empty_one_is_a_file(server, target):
    target.parent.mkdir()
    target.write_text("old")
    fetch(server.serve("/a", Reply(b"")), target)
    assert target.read_bytes() == b""


def test_a_body_of_unknown_length_is_taken_to_its_end(server, target):
    fetch(server.serve("/a", Reply(BODY, length=-1)), target, sha256=HASH)
    assert target.read_bytes() == BODY


def test_a_body_of_chunks_is_put_together(server, target):
    chunks = b"7\r\nsketch2\r\n3\r\nimg\r\n0\r\n\r\n"
    reply = Reply(chunks, length=-1, headers={"Transfer-Encoding": "chunked"})
    fetch(server.serve("/a", reply), target)
    assert target.read_bytes() == b"sketch2img"


def test_cut_chunks_are_no_success(server, target):
    reply = Reply(b"7\r\nske", length=-1, headers={"Transfer-Encoding": "chunked"})
    with pytest.raises(DownloadError, match="cut"):
        fetch(server.serve("/a", reply), target)
    assert not target.exists()


def test_an_encoded_body_is_kept_as_it_was_sent(server, target):
    url = server.serve("/a", Reply(BODY, headers={"Content-Encoding": "gzip"}))
    fetch(url, target, sha256=HASH)
    assert target.read_bytes() == BODY


# Cuts, and going on after them


def test_a_cut_body_is_resumed_where_it_was_cut(server, target):
    url = server.serve("/a", Reply(BODY, cut=100_000), Reply(BODY))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == [None, "bytes=100000-"]
    assert server.seen[1].headers["If-Range"] == '"one"'
    assert target.read_bytes() == BODY


def test_progress_makes_retries_free(server, target):
    url = server.serve("/a", Reply(BODY, cut=40_000))
    fetch(url, target, sha256=HASH)
    assert len(server.seen) == 8  # 300,000 by 40,000, far more than QUICK's attempts
    assert target.read_bytes() == BODY


def test_a_server_that_always_cuts_at_one_place_is_given_up(server, target):
    url = server.serve("/a", Reply(BODY, cut=40_000, ranges=False))
    with pytest.raises(DownloadError, match="cut after 40000 of 300000 bytes"):
        fetch(url, target)
    assert server.ranges("/a") == [None, "bytes=40000-", "bytes=40000-"]
    assert not target.exists()


def test_a_part_is_kept_and_the_next_run_goes_on(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-"]
    assert target.read_bytes() == BODY
    assert names_beside(target) == ["faces.zip"]


def test_the_source_of_the_part_goes_first(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY))
    other = server.serve("/b", Reply(OTHER))
    assert fetch([other, url], target).origin == url
    assert target.read_bytes() == BODY


def test_another_source_never_continues_a_part(server, target):
    leave_a_part(server, target)
    fetch(server.serve("/b", Reply(OTHER)), target)
    assert server.ranges("/b") == [None]
    assert target.read_bytes() == OTHER


def test_a_part_survives_sources_that_do_not_answer(server, target):
    leave_a_part(server, target)
    with pytest.raises(DownloadError, match="404"):
        fetch(server.serve("/b", Reply(status=404)), target)
    assert (target.parent / PART).stat().st_size == 100_000


def test_a_complete_part_with_the_right_hash_needs_no_server(server, target):
    url = leave_a_part(server, target)
    (target.parent / PART).write_bytes(BODY)
    assert fetch(url, target, sha256=HASH).origin == url
    assert server.seen == []
    assert target.read_bytes() == BODY


def test_a_server_that_ignores_range_is_read_from_the_start(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY, ranges=False))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-"]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_a_changed_file_is_read_anew_and_never_spliced(server, target, obeys_if_range):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(OTHER, etag='"two"', if_range=obeys_if_range))
    fetch(url, target)
    assert target.read_bytes() == OTHER
    assert server.ranges("/a") == ["bytes=100000-", *([] if obeys_if_range else [None])]


def test_a_file_that_changes_between_two_requests_is_read_anew(server, target):
    url = server.serve("/a", Reply(BODY, cut=100_000), Reply(OTHER, etag='"two"'))
    fetch(url, target)
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_the_date_is_the_condition(server, target, etag):
    url = leave_a_part(server, target, etag=etag, modified=1e9)
    server.serve("/a", Reply(BODY, etag=etag, modified=1e9))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-"]
    assert server.seen[0].headers["If-Range"] == formatdate(1e9, usegmt=True)


def test_what_cannot_be_told_from_another_version_is_read_anew(server, target):
    url = leave_a_part(server, target, etag=None)
    server.serve("/a", Reply(BODY, etag=None))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == [None]


def test_without_a_condition_even_the_same_run_starts_anew(server, target):
    url = server.serve("/a", Reply(BODY, etag=None, cut=100_000), Reply(BODY, etag=None))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == [None, None]


def test_a_range_that_comes_in_pieces_is_put_together(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY, piece=80_000))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-", "bytes=180000-", "bytes=260000-"]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("shift", [-1, 1, -100_000])
def test_a_206_of_another_place_is_not_appended(server, target, shift):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY, shift=shift))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-", None]


def test_a_206_without_content_range_is_not_appended(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(b"?", status=206), Reply(BODY))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == ["bytes=100000-", None]


def test_a_206_that_nobody_asked_for_is_refused(server, target):
    with pytest.raises(DownloadError, match="206"):
        fetch(server.serve("/a", Reply(BODY, status=206)), target)


def test_a_range_beyond_the_end_starts_anew(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY[:1000]))
    fetch(url, target)
    assert server.ranges("/a") == ["bytes=100000-", None]
    assert target.read_bytes() == BODY[:1000]


@pytest.mark.parametrize("about", ["", "[]", "{", '{"source": 1}', "null"])
def test_a_part_with_a_damaged_note_is_not_trusted(server, target, about):
    url = leave_a_part(server, target)
    (target.parent / SIDECAR).write_text(about)
    server.serve("/a", Reply(BODY))
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == [None]


def test_a_length_that_is_too_long_is_a_cut(server, target):
    url = server.serve("/a", Reply(BODY, length=len(BODY) + 5))
    with pytest.raises(DownloadError, match="cut after 300000 of 300005 bytes"):
        fetch(url, target)
    assert not target.exists()


def test_a_length_that_is_too_short_is_found_by_the_hash(server, target):
    url = server.serve("/a", Reply(BODY, length=1000))
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch(url, target, sha256=HASH)
    assert not target.exists()


def test_a_stall_ends_and_the_rest_is_asked_for(server, target):
    url = server.serve("/a", Reply(BODY, stall=4 * BLOCK), Reply(BODY))
    fetch(url, target, sha256=HASH, timeout=(5, 0.3))
    assert server.ranges("/a") == [None, f"bytes={4 * BLOCK}-"]


def test_a_server_that_never_speaks_times_out(target):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(DownloadError, match="timed out"):
            fetch(url, target, retry=ONCE, timeout=(5, 0.2))


# Secrets in addresses


HIDDEN = "s3cr3t"


def secret_address(server, path, *replies):
    """An address with a password and a signature, which the server is asked for as it is."""
    server.serve(f"{path}?signature={HIDDEN}", *replies)
    plain = server.address.replace("http://", f"http://me:{HIDDEN}@")
    return f"{plain}{path}?signature={HIDDEN}"


def test_a_part_is_kept_without_the_secrets_of_its_address(server, target):
    url = secret_address(server, "/a", Reply(BODY, cut=100_000))
    with pytest.raises(DownloadError) as caught:
        fetch(url, target, retry=ONCE)
    assert HIDDEN not in caught.value.message
    assert HIDDEN not in (target.parent / SIDECAR).read_text()
    secret_address(server, "/a", Reply(BODY))
    got = fetch(url, target, sha256=HASH)
    assert server.ranges(f"/a?signature={HIDDEN}") == [None, "bytes=100000-"]
    assert HIDDEN not in got.origin


def test_a_part_of_another_query_is_another_file(server, target):
    first = server.serve("/a?id=1", Reply(BODY, cut=1000))
    with pytest.raises(DownloadError, match="cut"):
        fetch(first, target, retry=ONCE)
    assert names_beside(target) == [PART, SIDECAR]
    fetch(server.serve("/a?id=2", Reply(OTHER)), target)
    assert server.ranges("/a?id=2") == [None]
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("location", ["ftp://me:{0}@127.0.0.1/a?x={0}", "http:///a?x={0}"])
def test_a_secret_address_that_a_server_leads_to_is_not_quoted(server, target, location):
    away = Reply(status=302, headers={"Location": location.format(HIDDEN)})
    urls = [secret_address(server, "/a", away), secret_address(server, "/b", away)]
    events = []
    with pytest.raises(DownloadError) as caught:
        fetch(urls, target, reporter=events.append)
    assert [isinstance(event, Note) for event in events] == [True]
    assert HIDDEN not in f"{caught.value.message} {events}"


# Statuses, redirects, sources in turn


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, target, status):
    url = server.serve("/a", Reply(status=status), Reply(status=status), Reply(BODY))
    fetch(url, target, sha256=HASH)
    assert len(server.seen) == 3


def test_a_server_that_stays_busy_is_given_up(server, target):
    with pytest.raises(DownloadError, match="503 Service Unavailable"):
        fetch(server.serve("/a", Reply(status=503)), target)
    assert len(server.seen) == QUICK.total + 1


@pytest.fixture
def waits(monkeypatch):
    """The seconds that are waited between attempts, which pass at once."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_back_off_doubles_up_to_the_longest_wait(server, target, waits):
    retry = RETRY.new(total=5, backoff_jitter=0.0, backoff_max=5)
    with pytest.raises(DownloadError):
        fetch(server.serve("/a", Reply(status=503)), target, retry=retry)
    assert waits == [1, 2, 4, 5, 5]


def test_many_clients_do_not_come_back_at_one_time(server, target, waits):
    for _ in range(3):
        with pytest.raises(DownloadError):
            fetch(server.serve("/a", Reply(status=503)), target, retry=RETRY)
    assert len(set(waits)) == 1 + 3 * 3  # the first wait is always 1
    assert all(2 <= wait <= 3 for wait in waits[1::4])


def test_what_a_part_costs_is_counted_with_what_a_server_refuses(server, target, waits):
    """A cut without progress, a refusal and a cut are three failures in a row."""
    cut, busy = Reply(BODY, cut=1000), Reply(status=503)
    url = server.serve("/a", cut, Reply(BODY, cut=0), busy, Reply(BODY, cut=0), Reply(BODY))
    fetch(url, target, sha256=HASH, retry=RETRY.new(backoff_jitter=0.0))
    assert waits == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("7", 7),
        ("0", 1),
        ("-7", 1),
        ("9999", 60),
        ("9" * 400, 60),
        ("9" * 5000, 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 9999 07:28:00 GMT", 60),
        ("Wed, 21 Oct 99999 07:28:00 GMT", 1),
        ("later", 1),
    ],
)
def test_retry_after_is_obeyed_within_reason(server, target, waits, asked, wait):
    busy = Reply(status=429, headers={"Retry-After": asked})
    notes = []
    url = server.serve("/a", busy, Reply(BODY))
    fetch(url, target, retry=RETRY, reporter=notes.append)
    assert waits == [wait]
    assert notes[0].message == f"{url}: 429 Too Many Requests; retrying in {wait} s"


def test_a_server_that_asks_for_ever_longer_waits_is_given_up(server, target, waits):
    busy = Reply(status=503, headers={"Retry-After": "86400"})
    with pytest.raises(DownloadError, match="503"):
        fetch(server.serve("/a", busy), target, retry=RETRY)
    assert waits == [60] * 4


def test_retry_after_may_be_a_date(server, target, waits):
    soon = formatdate(time.time() + 50, usegmt=True)
    busy = Reply(status=503, headers={"Retry-After": soon})
    fetch(server.serve("/a", busy, Reply(BODY)), target, retry=RETRY)
    assert 0 < waits[0] <= 50


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_goes_on_to_the_next_source_at_once(server, target, status):
    first, second = server.serve("/a", Reply(status=status)), server.serve("/b", Reply(BODY))
    events = []
    got = fetch([first, second], target, sha256=HASH, reporter=events.append)
    assert got.origin == second
    assert [seen.path for seen in server.seen] == ["/a", "/b"]
    notes = [event for event in events if isinstance(event, Note)]
    assert [note.is_warning for note in notes] == [True]
    assert str(status) in notes[0].message


def test_the_error_names_every_source_with_its_reason(server, target):
    urls = [server.serve("/a", Reply(status=404)), server.serve("/b?key=hidden", Reply(status=403))]
    with pytest.raises(DownloadError) as caught:
        fetch([*urls, "ftp://example.org/c", "http://[::1/d", "http:///"], target)
    message = caught.value.message
    assert "/a: 404 Not Found; " in message
    assert "/b: 403 Forbidden; ftp://example.org/c: the URL is neither http nor https; " in message
    assert "hidden" not in message
    assert "\n" not in message + caught.value.hint
    assert "--from FILE" in caught.value.hint
    assert names_beside(target) == []


def test_no_source_is_an_error(target):
    with pytest.raises(DownloadError, match="no source is known"):
        fetch([], target)


def test_a_wrong_hash_goes_on_to_the_next_source(server, target):
    urls = [server.serve("/a", Reply(OTHER)), server.serve("/b", Reply(BODY))]
    assert fetch(urls, target, sha256=HASH).origin == urls[1]
    assert target.read_bytes() == BODY


def test_wrong_hashes_everywhere_leave_the_old_file_and_no_part(server, target):
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(DownloadError) as caught:
        fetch(server.serve("/a", Reply(OTHER)), target, sha256=HASH)
    assert HASH in caught.value.message
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.message
    assert target.read_text() == "old"
    assert names_beside(target) == ["faces.zip"]


def test_a_rotten_part_is_found_and_gone(server, target):
    url = leave_a_part(server, target)
    (target.parent / PART).write_bytes(OTHER[:100_000])
    server.serve("/a", Reply(BODY))
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch(url, target, sha256=HASH)
    assert names_beside(target) == []
    fetch(url, target, sha256=HASH)


def test_redirects_are_followed_and_the_range_goes_with_them(server, target):
    url = server.serve("/a", Reply(status=302, headers={"Location": "/b"}))
    server.serve("/b", Reply(BODY, cut=100_000), Reply(BODY))
    assert fetch(url, target, sha256=HASH).origin == url
    assert server.ranges("/b") == [None, "bytes=100000-"]


def test_a_loop_of_redirects_ends(server, target):
    url = server.serve("/a", Reply(status=302, headers={"Location": "/a"}))
    with pytest.raises(DownloadError, match="redirects"):
        fetch(url, target)
    assert len(server.seen) <= 12


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_a_redirect_out_of_http_is_refused(server, target, location):
    url = server.serve("/a", Reply(status=302, headers={"Location": location}))
    with pytest.raises(DownloadError, match="cannot download"):
        fetch(url, target)
    assert len(server.seen) == 1


def test_a_redirect_from_https_to_http_is_refused(server, target, monkeypatch):
    insecure = server.serve("/b", Reply(BODY))
    send = requests.adapters.HTTPAdapter.send

    def answer_https_ourselves(self, request, **options):
        if not request.url.startswith("https:"):
            return send(self, request, **options)
        response = requests.Response()
        response.status_code, response.url, response.request = 302, request.url, request
        response.headers["Location"] = insecure
        response._content = b""
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", answer_https_ourselves)
    with pytest.raises(DownloadError, match="from https to http"):
        fetch("https://example.org/a", target)
    assert server.seen == []


# The machine around it: network, proxies, disk, kills


def no_such_name(*arguments, **options):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def no_route(*arguments, **options):
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


@pytest.mark.parametrize("failure", [no_such_name, no_route])
def test_offline_is_said_at_once_for_each_source(target, monkeypatch, failure):
    monkeypatch.setattr(socket, "getaddrinfo", failure)
    with pytest.raises(DownloadError) as caught:
        fetch(["https://a.org/x", "https://b.org/y"], target, retry=RETRY)
    reason = "Name or service not known" if failure is no_such_name else "Network is unreachable"
    assert f"https://a.org/x: {reason}; https://b.org/y: {reason}" in caught.value.message
    assert "without a network connection" in caught.value.message
    assert "network" in caught.value.hint
    assert "--from FILE" in caught.value.hint


def test_a_network_that_goes_in_the_middle_may_come_back(server, target, monkeypatch):
    url = server.serve("/a", Reply(BODY, cut=100_000), Reply(BODY))
    resolve, answers = socket.getaddrinfo, [None, no_such_name, no_such_name]

    def resolve_now_and_then(*arguments, **options):
        answer = answers.pop(0) if answers else None
        return (answer or resolve)(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_now_and_then)
    fetch(url, target, sha256=HASH, retry=QUICK.new(total=3))
    assert server.ranges("/a") == [None, "bytes=100000-"]
    assert answers == []


def test_a_refused_connection_is_tried_again_and_named(target):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    notes = []
    with pytest.raises(DownloadError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/a", target, reporter=notes.append)
    assert len(notes) == QUICK.total
    assert notes[0].message.endswith("Connection refused; retrying in 0.01 s")
    assert notes[1].message.endswith("Connection refused; retrying in 0.02 s")


def test_an_error_while_another_is_handled_keeps_its_own_reason(server, target):
    url = server.serve("/a", Reply(BODY, stall=BLOCK))
    try:
        target.stat()
    except FileNotFoundError:
        with pytest.raises(DownloadError, match="timed out after 32768 of 300000"):
            fetch(url, target, retry=ONCE, timeout=(5, 0.2))


def test_proxies_come_from_the_environment(target, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        proxy.serve("http://example.org/a", Reply(BODY))
        fetch("http://example.org/a", target, sha256=HASH)
        assert [seen.path for seen in proxy.seen] == ["http://example.org/a"]


def test_no_proxy_is_obeyed(server, target, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        fetch(server.serve("/a", Reply(BODY)), target, sha256=HASH)
        assert proxy.seen == []


IN_A_PROCESS = """
import sys
from pathlib import Path
from sketchcli.engine.fetching.download import RETRY, download
from sketchcli.errors import SketchError
{first}
try:
    download([sys.argv[1]], Path(sys.argv[2]), retry=RETRY.new(total=0), timeout=(5, 20))
except (SketchError, KeyboardInterrupt) as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


def start(url, target, first=""):
    code = IN_A_PROCESS.format(first=first)
    return subprocess.Popen([sys.executable, "-c", code, url, target], stderr=subprocess.PIPE)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on_later(server, target, kill):
    url = server.serve("/a", Reply(BODY, stall=4 * BLOCK))
    process = start(url, target)
    part = target.parent / PART
    wait_until(lambda: part.exists() and part.stat().st_size == 4 * BLOCK)
    process.send_signal(kill)
    process.communicate(timeout=5)
    assert names_beside(target) == [PART, SIDECAR]
    assert json.loads((target.parent / SIDECAR).read_text())["source"] == url
    server.serve("/a", Reply(BODY))
    server.seen.clear()
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a") == [f"bytes={4 * BLOCK}-"]
    assert target.read_bytes() == BODY


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits")
def test_a_full_disk_keeps_the_part_and_the_old_file(server, target):
    target.parent.mkdir()
    target.write_text("old")
    url = server.serve("/a", Reply(BODY))
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    )
    process = start(url, target, limit)
    error = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 1
    assert "DataError: cannot write" in error
    assert "faces.zip: File too large" in error
    assert target.read_text() == "old"
    assert (target.parent / PART).read_bytes() == BODY[:100_000]
    fetch(url, target, sha256=HASH)
    assert server.ranges("/a")[1:] == ["bytes=100000-"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_ends_a_wait_at_once(server, target, request):
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def press_soon(event):
        threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()

    busy, start = Reply(status=503, headers={"Retry-After": "50"}), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(server.serve("/a", busy), target, retry=RETRY, reporter=press_soon)
    assert time.monotonic() - start < 5


def test_a_place_that_cannot_be_written_is_a_data_error(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="below"):
        fetch(server.serve("/a", Reply(BODY)), tmp_path / "file" / "below")


def test_bytes_are_reported_seldom_and_at_the_end(server, target):
    events = []
    big = BODY * 20
    fetch(server.serve("/a", Reply(big)), target, reporter=events.append)
    assert len(events) < 20
    assert events[-1] == Transferred("faces.zip", len(big), len(big))
    assert [event.done == event.total for event in events].count(True) == 1
    assert all(event.total == len(big) for event in events)


def test_the_end_is_reported_once(server, target, monkeypatch):
    monkeypatch.setattr("sketchcli.engine.events.SECONDS_BETWEEN_REPORTS", 0)
    events = []
    fetch(server.serve("/a", Reply(BODY)), target, reporter=events.append)
    assert len(events) > 5
    assert [event.done == event.total for event in events].count(True) == 1


def test_a_resumed_download_is_reported_from_where_it_goes_on(server, target):
    url = leave_a_part(server, target)
    server.serve("/a", Reply(BODY))
    events = []
    fetch(url, target, reporter=events.append)
    assert events[0].done > 100_000
    assert events[-1].done == len(BODY)


# What a hostile server can take


def disk(free):
    return lambda _: shutil._ntuple_diskusage(10**12, 10**12 - free, free)


@pytest.mark.parametrize(("free", "most"), [(400_000, 2**33), (10**12, 200_000)])
def test_a_body_without_an_announced_end_takes_at_most_half_of_the_disk_and_8_gb(
    server, target, monkeypatch, free, most
):
    monkeypatch.setattr(shutil, "disk_usage", disk(free))
    monkeypatch.setattr(f"{download.__module__}.MOST_UNANNOUNCED", most)
    url = server.serve("/a", Reply(BODY, length=-1))
    with pytest.raises(DownloadError, match="sends more than the 200,000 bytes"):
        fetch(url, target)
    assert names_beside(target) == []


def test_a_body_that_the_disk_cannot_hold_is_not_begun(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", disk(200_000))
    with pytest.raises(DataError, match="300,000 bytes are needed, and 200,000 are free"):
        fetch(server.serve("/a", Reply(BODY)), target)
    assert not (target.parent / PART).stat().st_size


@pytest.mark.parametrize(
    ("length", "said"),
    [(-1, "sends more than the 200,000 bytes"), (None, "about 100,000 are expected")],
)
def test_a_body_is_at_most_twice_the_known_size(server, tmp_path, length, said):
    url = server.serve("/a", Reply(BODY, length=length))
    for digest in (None, HASH):
        file = RemoteFile("a.tgz", (url,), digest, size=100_000)
        with pytest.raises(DownloadError, match=said):
            obtain(file, tmp_path, FetchConfig("facades"), lambda _: None)


def test_a_server_that_sends_byte_after_byte_is_given_up(server, target, monkeypatch):
    slowest = "sketchcli.engine.fetching.download.SLOWEST"
    monkeypatch.setattr(slowest, (1000, 0.2), raising=False)
    url = server.serve("/a", Reply(BODY[:40], drip=0.02))
    with pytest.raises(DownloadError, match=r"less than 1,000 bytes in 0\.2 s"):
        fetch(url, target)


def test_a_redirect_is_followed_before_its_body_ends(server, target):
    to = server.serve("/b", Reply(BODY))
    reply = Reply(b"x" * 1000, status=302, headers={"Location": to}, stall=10)
    fetch(server.serve("/a", reply), target, timeout=(5, 0.3), retry=ONCE)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [301, 308])
def test_endless_redirects_end(server, target, status):
    server.serve("/a", Reply(status=status, headers={"Location": "/a"}))
    with pytest.raises(DownloadError, match="redirects"):
        fetch(server.address + "/a", target)
    assert len(server.seen) <= 12


def test_endless_headers_are_an_error(server, target):
    reply = Reply(BODY, headers={f"X-{index}": "x" for index in range(300)})
    with pytest.raises(DownloadError, match="headers"):
        fetch(server.serve("/a", reply), target, retry=ONCE)


# Without a known hash, nobody in between may be able to change the file


@pytest.mark.parametrize(
    "url", ["http://example.invalid/a", "HTTP://localhost@example.invalid/", "http://127.0.0.1.e/"]
)
def test_plain_http_needs_a_known_hash(target, url):
    with pytest.raises(DownloadError, match="plain http is used only for a file whose SHA-256"):
        fetch(url, target)
    with pytest.raises(DownloadError) as caught:
        fetch(url, target, sha256=HASH, retry=ONCE)
    assert "plain http" not in caught.value.message


def test_no_known_source_without_a_hash_is_plain_http():
    for name in registry.names(registry.ASSETS):
        for file in registry.load(registry.ASSETS, name).ASSET.downloads:
            assert file.sha256 or all(url.startswith("https://") for url in file.urls)
