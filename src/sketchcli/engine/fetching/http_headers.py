"""What the headers of a response say about a file and its parts (RFC 9110)."""

import email.utils
import re
import time
from collections.abc import Mapping


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """First byte of a partial body, and the whole file's size, where they are known.

    >>> content_range({"Content-Range": "bytes 10-19/20"})
    (10, 20)
    >>> content_range({"Content-Range": "bytes 10-19/*"})
    (10, None)
    >>> content_range({"Content-Range": "bytes */20"})
    (None, None)
    """
    value = headers.get("Content-Range", "").strip()
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", value, re.ASCII)
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def total(headers: Mapping[str, str], start: int) -> int | None:
    """Bytes of the whole file, of which the body begins at `start`; None where nobody says.

    >>> total({"Content-Length": "5"}, 10)
    15
    >>> total({"Content-Length": "5", "Content-Range": "bytes 10-14/30"}, 10)
    30
    """
    whole = content_range(headers)[1]
    length = headers.get("Content-Length", "")
    if whole is None and re.fullmatch(r"\d{1,18}", length, re.ASCII):
        return start + int(length)
    return whole


def validator(headers: Mapping[str, str]) -> str:
    """What `If-Range` takes: a strong ETag, or else the date of the last change, or nothing.

    >>> validator({"ETag": 'W/"1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    'Wed, 21 Oct 2015 07:28:00 GMT'
    """
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, given as a number or as a date.

    >>> asked_wait({"Retry-After": "120"})
    120.0
    >>> asked_wait({"Retry-After": "soon"}) is None
    True
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
