"""The planted faults, as a client on the other side of a real server meets them."""

import http.client
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener, urlopen

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from pipeline.errors import MachineError
from workflows.demo.headers import png_size, refusal
from workflows.demo.rows import CLOSED_PORT
from workflows.demo.serving import serve

Rows = list[dict[str, Any]]


class Stay(HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def base(demo: Path) -> Iterator[str]:
    with serve(demo, port=0) as url:
        yield url


@pytest.fixture(scope="module")
def truth(demo: Path) -> Rows:
    rows: Rows = pq.read_table(demo / "truth.parquet").to_pylist()
    return rows


def of(truth: Rows, fault: str | None) -> Rows:
    found = [row for row in truth if row["fault"] == fault]
    assert found, f"no row with {fault}"
    return found


def here(row: dict[str, Any], base: str) -> str:
    """The row's URL on the port of this test."""
    parts = urlsplit(row["url"])
    return row["url"] if parts.port == CLOSED_PORT else f"{base}{parts.path}"


def get(url: str) -> bytes:
    with urlopen(url, timeout=5) as answer:
        content: bytes = answer.read()
    return content


def decoded(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        return opened


def test_clean_rows_give_their_true_pictures(demo: Path, truth: Rows, base: str) -> None:
    for row in of(truth, None):
        assert get(here(row, base)) == (demo / row["path"]).read_bytes()


def test_dead_links(truth: Rows, base: str) -> None:
    for row in of(truth, "dead_link"):
        with pytest.raises(OSError, match=r"refused|HTTP Error") as caught:
            get(here(row, base))
        if isinstance(caught.value, HTTPError):
            assert row["detail"] == f"status {caught.value.code}"


def test_slow_answers_outlast_a_timeout(truth: Rows, base: str) -> None:
    for row in of(truth, "slow"):
        started = time.monotonic()
        with pytest.raises(TimeoutError), urlopen(here(row, base), timeout=0.5) as answer:
            answer.read()
        assert time.monotonic() - started < 4


def test_redirects_arrive(demo: Path, truth: Rows, base: str) -> None:
    for row in of(truth, "redirect"):
        assert get(here(row, base)) == (demo / row["path"]).read_bytes()


def test_redirect_loops_never_arrive(truth: Rows, base: str) -> None:
    for row in of(truth, "redirect_loop"):
        with pytest.raises(HTTPError, match="infinite loop"):
            get(here(row, base))


def test_forbidden_redirects_lead_where_the_truth_says(truth: Rows, base: str) -> None:
    for row in of(truth, "forbidden_redirect"):
        with pytest.raises(HTTPError) as caught:
            build_opener(Stay).open(Request(here(row, base)), timeout=5)
        assert row["detail"] == f"leads to {caught.value.headers['Location']}"


def test_truncated_files_cannot_be_read_whole(demo: Path, truth: Rows, base: str) -> None:
    for row in of(truth, "truncated"):
        if row["detail"] == "file cut at half":
            content = get(here(row, base))
            assert (demo / row["path"]).read_bytes().startswith(content)
            with pytest.raises(OSError, match=r"truncated|broken"):
                decoded(content)
        else:
            with pytest.raises(http.client.IncompleteRead):
                get(here(row, base))


def test_html_calls_itself_an_image(truth: Rows, base: str) -> None:
    for row in of(truth, "html_as_image"):
        with urlopen(here(row, base), timeout=5) as answer:
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.read().startswith(b"<!doctype html>")


def test_other_formats_under_a_false_name_are_pictures(truth: Rows, base: str) -> None:
    for row in of(truth, "other_format"):
        assert row["url"].endswith(".png")
        assert decoded(get(here(row, base))).format == row["detail"].split()[0]


def test_bombs_declare_too_much_in_a_small_file(truth: Rows, base: str) -> None:
    for row in of(truth, "bomb"):
        content = get(here(row, base))
        assert len(content) < 500_000
        assert refusal(*png_size(content))


def test_tiny_pictures_are_tiny(truth: Rows, base: str) -> None:
    for row in of(truth, "tiny"):
        assert decoded(get(here(row, base))).size == (8, 8)


def test_opt_outs_are_said_in_the_header(truth: Rows, base: str) -> None:
    for row in of(truth, "opted_out"):
        with urlopen(here(row, base), timeout=5) as answer:
            assert row["detail"] == f"X-Robots-Tag: {answer.headers['X-Robots-Tag']}"


def test_duplicates_show_what_the_row_shows_that_they_copy(truth: Rows, base: str) -> None:
    first = {row["uid"]: row for row in truth if row["uid"] and row["fault"] != "same_url"}
    for row in of(truth, "exact_duplicate"):
        original = first[row["same_as"]]
        assert original["url"] != row["url"]
        assert get(here(original, base)) == get(here(row, base))
    for row in of(truth, "near_duplicate"):
        ours, theirs = get(here(first[row["same_as"]], base)), get(here(row, base))
        assert ours != theirs
        small = [decoded(content).convert("RGBA").resize((6, 6), Image.Resampling.BOX) for content in (ours, theirs)]
        grey = [ImageOps.grayscale(Image.alpha_composite(Image.new("RGBA", (6, 6), "white"), one)) for one in small]
        assert ImageStat.Stat(ImageChops.difference(*grey)).mean[0] < 25
    for row in of(truth, "same_url"):
        assert row["uid"] == row["same_as"]


def test_the_server_counts_what_it_was_asked(truth: Rows, base: str) -> None:
    row = of(truth, None)[0]
    path = urlsplit(row["url"]).path
    before = json.loads(get(f"{base}/-/counts")).get(path, 0)
    get(here(row, base))
    assert json.loads(get(f"{base}/-/counts"))[path] == before + 1


def test_a_taken_port_is_a_clear_error(demo: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(MachineError, match=rf"port {port} of 127.0.0.1 cannot be served .* --port N"),
            serve(demo, port),
        ):
            pass


def test_a_folder_without_a_pool_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"holds no demo pool .* build it with"), serve(tmp_path, 0):
        pass


@pytest.mark.slow
def test_the_server_ends_when_its_parent_is_killed(demo: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from workflows.demo.serving import serve\n"
        f"with serve(Path({str(demo)!r}), 0) as base:\n    print(base, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        base = parent.stdout.readline().strip()
        get(f"{base}/-/counts")
        parent.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            get(f"{base}/-/counts")
        except OSError:
            return
        time.sleep(0.2)
    pytest.fail("the server outlived its parent")
