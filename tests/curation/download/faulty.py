"""A real web server on loopback with the faults of the real web, and the pictures it serves."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw


def picture(seed: int = 0, width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """A few coloured shapes; another seed gives another picture."""
    numbers = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(map(int, numbers.integers(0, 255, 3))))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = map(int, numbers.integers(0, [width, height, width, height]))
        draw.ellipse(
            [x - w // 3, y - h // 3, x + w // 3, y + h // 3], fill=tuple(map(int, numbers.integers(0, 255, 3)))
        )
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of about 100 kB that declares `side` x `side` pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    body = zlib.compress(b"\0" * (side // 8 + 1) * 1000, 9)
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def rotated() -> bytes:
    """A JPEG that is red on top once its EXIF orientation is applied; it carries a GPS position as well."""
    image = Image.new("RGB", (96, 64), "red")
    image.paste("blue", (48, 0, 96, 64))  # stored: red left, blue right; orientation 6 turns it clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    return encoded(image, "JPEG", exif=exif, quality=95)


def deep() -> bytes:
    """A 16-bit grey PNG of value 40,000 (8-bit: 155), which a careless decoder makes white."""
    return bytes(cv2.imencode(".png", np.full((64, 64), 40_000, np.uint16))[1].tobytes())


PNG = encoded(picture(2), "PNG")
FILES = {
    "good.jpg": encoded(picture(1), "JPEG"),
    "good.png": PNG,
    "good.gif": encoded(picture(3, mode="P"), "GIF"),
    "good.webp": encoded(picture(4), "WEBP"),
    "clear.png": encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "PNG"),
    "big.jpg": encoded(picture(5, 1200, 900), "JPEG"),
    "rotated.jpg": rotated(),
    "deep.png": deep(),
    "half.jpg": encoded(picture(6, 400, 300), "JPEG")[:-2000],
    "half.png": encoded(picture(6, 400, 300), "PNG")[:-400],
    "page.png": b"<!doctype html><title>Not found</title><p>Sorry.</p>",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    "bomb.png": bomb(),
    "empty.png": b"",
    "tiny.png": encoded(picture(7, 8, 8), "PNG"),
    "wide.png": encoded(picture(8, 600, 20), "PNG"),
}
HEADERS = {
    "noai.png": {"X-Robots-Tag": "noai"},
    "noindex.png": {"X-Robots-Tag": "NoIndex, nofollow"},
    "ours.png": {"X-Robots-Tag": "pairpool: noimageai"},
    "snippet.png": {"X-Robots-Tag": "max-snippet:-1, noai"},
    "theirs.png": {"X-Robots-Tag": "otherbot: noai"},
    "reserved.png": {"tdm-reservation": "1"},
}
REDIRECTS = {
    "hop": "/good.jpg",
    "loop": "/loop",
    "to-file": "file:///etc/passwd",
    "to-private": "http://127.0.0.2:{port}/good.jpg",
    "to-metadata": "http://169.254.169.254/latest/meta-data/",
}


class _Handler(BaseHTTPRequestHandler):
    server: FaultyServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.lstrip("/").partition("?")[0]
        self.server.hits[name] += 1
        self.server.agents.add(self.headers["User-Agent"])
        with suppress(ConnectionError):
            self._answer(name)

    def _answer(self, name: str) -> None:
        special = getattr(self, f"_{name.partition('.')[0].replace('-', '_')}", None)
        if name in FILES:
            self._send(FILES[name])
        elif name in HEADERS:
            self._send(PNG, **HEADERS[name])
        elif name in REDIRECTS:
            port = self.server.server_address[1]
            self._send(b"", 302, Location=REDIRECTS[name].format(port=port))
        elif special:
            special()
        elif name.startswith("unique"):
            seed = int(name.removeprefix("unique").partition(".")[0])
            self._send(encoded(picture(seed), "JPEG"))
        else:
            self._send(b"nothing here", 404)

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def _gone(self) -> None:
        self._send(b"", 410)

    def _broken(self) -> None:
        self._send(b"", 500)

    def _busy(self) -> None:
        """503 with Retry-After the first time, the picture the second."""
        if self.server.hits["busy.jpg"] == 1:
            self._send(b"", 503, **{"Retry-After": "1"})
        else:
            self._send(FILES["good.jpg"])

    def _drip(self) -> None:
        """A byte every 0.1 s: never too slow for a timeout between two bytes."""
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(b"x")
            time.sleep(0.1)

    def _drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.closing.is_set():
            self.wfile.write(b"X-Slow: yes\r\n")
            time.sleep(0.1)

    def _stall(self) -> None:
        self.server.closing.wait(30)

    def _short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PNG) * 2))
        self.end_headers()
        self.wfile.write(PNG)

    def _hang_up(self) -> None:
        self.close_connection = True

    def _garbage(self) -> None:
        self.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")

    def _endless(self) -> None:
        """A body that tells no length and never ends."""
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(b"\0" * 65536)

    def _huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "300000000")
        self.end_headers()


class FaultyServer(ThreadingHTTPServer):
    """Counts what was asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hits: Counter[str] = Counter()
        self.agents: set[str | None] = set()
        self.closing = threading.Event()

    @property
    def host(self) -> str:
        """As `allow_hosts` wants it."""
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """Serve until the block ends."""
    server = FaultyServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
