"""Who may ask the drawing page's server for what: hosts, origins, tokens and sizes."""

import asyncio

import pytest
from serving_fixtures import HEADERS, FakeModel, client_of, desk_of

from sketchcli.serving.guard import LARGEST, LARGEST_OTHER


@pytest.fixture
def desk(tmp_path):
    return desk_of(FakeModel(), tmp_path / "a.safetensors")


@pytest.fixture
def client(desk):
    return client_of(desk)


@pytest.mark.parametrize("host", ["127.0.0.1:8756", "localhost:1", "LOCALHOST", "127.0.0.1"])
def test_the_page_answers_under_its_own_names_at_any_port(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200
    assert client.get("/api/state", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8756",
            "evil:127.0.0.1",
        ),
        *("127.0.0.2", "192.168.1.5", "0.0.0.0", "[::1]:8756", "localhost:8756@evil", "", "a/b"),
        *("127.0.0.1:8756, evil", "localhost.", "127.0.0.1\tevil", "2130706433", "[127.0.0.1]x"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/page/index.html", "/api/state", "/nix"])
def test_a_foreign_host_gets_nothing(client, host, path):
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["message"]


def test_two_hosts_or_none_get_nothing(client):
    twice = [*HEADERS.items(), ("Host", "127.0.0.1"), ("Host", "127.0.0.1")]
    assert client.get("/", headers=twice).status_code == 421


@pytest.mark.parametrize(
    ("listening", "asked", "status"),
    [
        ("192.168.1.5", "192.168.1.5:8756", 200),
        ("192.168.1.5", "192.168.1.6", 200),  # an address is no name, so it cannot be rebound
        ("192.168.1.5", "evil.example", 421),
        ("0.0.0.0", "192.168.1.6", 200),
        ("0.0.0.0", "evil.example", 421),
        ("::", "[fe80::1]:8756", 200),
        ("::", "evil.example", 421),
    ],
)
def test_another_host_is_known_by_its_address(desk, listening, asked, status):
    client = client_of(desk, host=listening)
    assert client.get("/api/state", headers={"Host": asked}).status_code == status
    assert client.get("/api/state", headers={"X-Sketch2img-Token": ""}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:8757", "https://127.0.0.1:8756", "file://"],
)
@pytest.mark.parametrize("path", ["/", "/api/state"])
def test_a_foreign_origin_gets_nothing_even_with_the_token(client, origin, path):
    answer = client.get(path, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_origin_may_ask_and_no_other_site_may_find_out_more(client):
    assert client.get("/", headers={"Origin": "http://127.0.0.1:8756"}).status_code == 200
    wish = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/api/generate", headers=wish)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


CALLS = [
    ("GET", "/api/state"),
    ("POST", "/api/generate?number=1&client=a"),
    ("POST", "/api/model"),
    ("POST", "/api/sketch"),
    ("GET", "/api/sketch"),
    ("POST", "/api/read"),
    ("GET", "/api/examples/0"),
    ("GET", "/api/drawing"),
    ("PUT", "/api/drawing"),
    ("POST", "/api/pairs"),
    ("POST", "/api/label"),
    ("GET", "/api/nix"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_needs_the_token(desk, home, method, path):
    client = client_of(desk, headers={})
    assert client.request(method, path).status_code == 401
    for wrong in ("wrong", "a-toke", "A-TOKEN", "ä"):
        headers = {"X-Sketch2img-Token": wrong.encode()}
        assert client.request(method, path, headers=headers).status_code == 403
    twice = [(name, value) for name, value in HEADERS.items() for _ in "12"]
    assert client.request(method, path, headers=twice).status_code == 403
    assert client.request(method, f"{path}?token=a-token", params=HEADERS).status_code == 401
    assert not home.exists()


def test_static_files_need_no_token_and_are_only_those_of_the_page(desk):
    client = client_of(desk, headers={})
    assert "text/html" in client.get("/").headers["content-type"]
    assert client.get("/page/index.html").status_code == 200
    for path in (
        *("..%2fguard.py", "%2e%2e%2fguard.py", "../guard.py", "..\\guard.py"),
        *("%2fetc%2fpasswd", "", ".", "%2e%2e", "index.html%00", "INDEX.HTML", "nix.js"),
    ):
        answer = client.get(f"/page/{path}")
        assert answer.status_code == 404, path
        assert "import" not in answer.text


def test_every_answer_says_what_the_page_may_do(client):
    for answer in (
        *(client.get("/"), client.get("/api/state"), client.get("/nix")),
        client.get("/", headers={"Host": "evil"}),
        client.get("/api/state", headers={"X-Sketch2img-Token": "x"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'; img-src 'self' blob: data:" in policy
        assert "unsafe" not in policy
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*LARGEST, "/api/model", "/api/state", "/nix"])
def test_a_huge_body_is_refused_before_it_is_read(client, path):
    most, read = LARGEST.get(path, LARGEST_OTHER), 0

    async def receive():
        nonlocal read
        read += 2**16
        return {"type": "http.request", "body": b"x" * 2**16, "more_body": True}

    def refused(length):
        headers = HEADERS | {"Host": "localhost"} | length
        raw = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": path, "scheme": "http", "headers": raw}
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(client.app(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"])[b"connection"]

    assert refused({"Content-Length": f"{most + 1}"}) == (413, b"close")
    assert read == 0
    assert refused({}) == (413, b"close")
    assert read <= most + 2**16


def test_a_body_is_given_whole(desk):
    client = client_of(desk)
    body = b'{"strokes": [' + b"1, " * 100_000 + b"1]}"
    blocks = (body[i : i + 1000] for i in range(0, len(body), 1000))
    assert client.put("/api/drawing", content=blocks).status_code == 204
    assert client.get("/api/drawing").content == body
