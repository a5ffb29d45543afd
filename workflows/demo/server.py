"""The loopback web server of the demo pool: `python -m workflows.demo.server --root build/demo`. It serves pictures and faults.

What it does under a path stands in ROOT/routes.json: `file` (send it, under the type that the route says), `status`,
`redirect`, `stall` (nothing, or half a file, then silence) or `close` (half a file, then the connection closes).
`/-/counts` tells how often each path was asked for.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from pipeline.errors import DataError, MachineError, PairpoolError
from workflows.demo.rows import HOST

#: A stalled answer is given up after this many seconds: longer than any sensible timeout.
STALL_S = 120.0
COUNTS = "/-/counts"
Route = dict[str, Any]


class Site:
    """The routes of one demo folder, and how often each was asked for."""

    def __init__(self, root: Path, routes: dict[str, Route]) -> None:
        self.routes, self.counts = routes, Counter[str]()
        # Small files of one demo: read once, served from memory.
        self.read = cache(lambda file: (root / file).read_bytes())
        self.actions: dict[str, Callable[[web.Request, Route], Awaitable[web.StreamResponse]]] = {
            "file": self.file,
            "status": self.status,
            "redirect": self.redirect,
            "stall": self.stall,
            "close": self.close,
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What the route of the request says, or 404."""
        if request.path == COUNTS:
            return web.json_response(self.counts)
        route = self.routes.get(request.path)
        self.counts[request.path] += 1
        if route is None:
            return web.Response(status=404, text="no such page")
        return await self.actions[route["does"]](request, route)

    async def file(self, _request: web.Request, route: Route) -> web.StreamResponse:
        """A whole file; `robots`, where given, becomes its X-Robots-Tag."""
        headers = {"Content-Type": route["type"], **({"X-Robots-Tag": route["robots"]} if "robots" in route else {})}
        return web.Response(body=self.read(route["file"]), headers=headers)

    async def status(self, _request: web.Request, route: Route) -> web.StreamResponse:
        """An error."""
        return web.Response(status=route["status"], text="this picture is not here")

    async def redirect(self, _request: web.Request, route: Route) -> web.StreamResponse:
        """Somewhere else; targets are paths, so that they hold on any port."""
        return web.Response(status=route["status"], headers={"Location": quote(route["to"], safe="/:")})

    async def stall(self, request: web.Request, route: Route) -> web.StreamResponse:
        """Silence, at once or after half a file."""
        if route["after"] == "half":
            response = await self.half(request, route)
            await asyncio.sleep(STALL_S)
            return response
        await asyncio.sleep(STALL_S)
        return web.Response(status=504)

    async def close(self, request: web.Request, route: Route) -> web.StreamResponse:
        """Half a file, then the connection closes."""
        response = await self.half(request, route)
        if request.transport is not None:
            request.transport.close()
        return response

    async def half(self, request: web.Request, route: Route) -> web.StreamResponse:
        """Send the first half of a file whose whole length was declared."""
        body = self.read(route["file"])
        response = web.StreamResponse(headers={"Content-Type": route["type"], "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return response


def load(root: Path) -> tuple[Site, int]:
    """The site of a demo folder, and the port that its URLs name. Raises DataError where there is none."""
    try:
        plan = json.loads((root / "routes.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{root} holds no demo pool that can be served ({error}): build it with "
            f"`python -m workflows.demo.build --out {root}`"
        ) from error
    return Site(root, plan["routes"]), int(plan["port"])


async def listen(site: Site, port: int) -> tuple[web.AppRunner, str]:
    """Start to serve; gives the base URL. Port 0 takes a free one. Raises MachineError where the port is taken."""
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    server = web.TCPSite(runner, HOST, port, backlog=1024)
    try:
        await server.start()
    except OSError as error:
        await runner.cleanup()
        raise MachineError(
            f"port {port} of {HOST} cannot be served ({error.strerror}). If another program holds it, stop that one, or build "
            "the demo for another port: `python -m workflows.demo.build --port N`"
        ) from error
    return runner, f"http://{HOST}:{runner.addresses[0][1]}"


async def run(root: Path, port: int | None, ready: Path | None, parent: int | None) -> None:
    """Serve until ended, or until the process `parent` is no longer ours."""
    site, usual = load(root)
    runner, base = await listen(site, usual if port is None else port)
    if ready is not None:
        draft = ready.with_name(f"{ready.name}.{os.getpid()}")
        draft.write_text(base)
        draft.replace(ready)
    print(f"serving {len(site.routes)} paths of {root} on {base}", flush=True)
    try:
        while parent is None or os.getppid() == parent:
            await asyncio.sleep(0.5)
    finally:
        await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workflows.demo.server", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("build/demo"), help="the demo's folder (default: build/demo)")
    parser.add_argument("--port", type=int, help="default: the port that the pool's URLs name; 0: any free one")
    parser.add_argument("--ready-file", type=Path, help="gets the base URL as soon as it answers")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    chosen = parser.parse_args(arguments)
    try:
        asyncio.run(run(chosen.root, chosen.port, chosen.ready_file, chosen.parent))
    except PairpoolError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
