"""The documentation builds without a warning, holds every public name, and can be read without a network."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import queue
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

pytest.importorskip("sphinx", reason="the documentation is built by the extra docs")
pytest.importorskip("myst_nb", reason="the documentation is built by the extra docs")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = {
    "start": "start/index.html",
    "reference": "reference/api/mfjax.als.html",
    "notebook": "gallery/solvers.html",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the site, built from nothing, notebooks run again, where a warning is an error."""
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder.parent / "trees")]
    command += ["-D", "nb_execution_mode=force"]
    built = subprocess.run([*command, "docs", str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


class Page(HTMLParser):
    """What a page links to, the ids that can be linked to, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag != "a":
            self.loads += [found[name] for name in ("href", "src") if name in found]


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_links_lead_somewhere(site, pages):
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = path if not file else (path.parent / unquote(file)).resolve()
            if not target.exists():
                wrong.append(f"{path.relative_to(site)}: there is no {file}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].ids:
                wrong.append(f"{path.relative_to(site)}: there is no #{anchor} in {target.relative_to(site)}")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_loaded_from_outside(site, pages):
    outside = [
        f"{path.relative_to(site)}: {load}" for path, page in pages.items() for load in page.loads if "//" in load
    ]
    styles = [path for path in site.rglob("*.css") if re.search(r"url\([\"']?(https?:)?//|@import", path.read_text())]
    assert not outside and not styles, [*outside, *styles]


def test_every_public_name_is_on_a_page(site, pages):
    sys.path.insert(0, str(ROOT / "docs" / "_extensions"))
    import public_face

    ids = {anchor for path, page in pages.items() if path.parent.name == "api" for anchor in page.ids}
    names = [f"{module}.{name}" for module, name, _ in public_face.names()]
    assert len(names) > 300
    missing = [name for name in names if name not in ids]
    assert not missing, missing


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site and the page that crawls it, and takes the report of the latter."""

    reports: queue.Queue[dict]
    missing: list[str]

    def do_GET(self) -> None:
        if self.path == "/crawl.html":
            body = (Path(__file__).parent / "crawl.html").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def send_error(self, code: int, *told: object) -> None:
        self.missing.append(f"{code} {self.path}")
        super().send_error(code)

    def log_message(self, *told: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, type[Handler]]]:
    handler = type("HandlerOfSite", (Handler,), {"reports": queue.Queue(), "missing": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()


def chromium(folder: Path, *words: str) -> subprocess.Popen:
    """Start a browser that has no other host to ask than this one."""
    assert CHROMIUM
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
    options += [f"--user-data-dir={folder}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([CHROMIUM, *options, *words], **quiet)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")


@needs_chromium
def test_a_browser_opens_every_page_and_searches(site, pages, tmp_path):
    with served(site) as (address, handler):
        browser = chromium(tmp_path, "--remote-debugging-port=0", f"{address}/crawl.html")
        try:
            report = handler.reports.get(timeout=300)
        finally:
            browser.terminate()
            browser.wait(timeout=30)
    assert not report["wrong"], "\n".join(report["wrong"])
    linked = {str(path.relative_to(site)) for path in pages} - {"search.html", "_modules/index.html"}
    assert linked <= set(report["opened"]) | {"genindex.html", "py-modindex.html"}
    missing = [one for one in handler.missing if "favicon" not in one]
    assert not missing, missing


@needs_chromium
@pytest.mark.parametrize("page", PICTURES)
@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_is_drawn(site, tmp_path, page, width):
    shot = tmp_path / "shot.png"
    with served(site) as (address, _):
        words = [f"--window-size={width},900", f"--screenshot={shot}", f"{address}/{PICTURES[page]}"]
        assert chromium(tmp_path / "profile", *words).wait(timeout=60) == 0
    data = shot.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (max(width, 500), 900) or struct.unpack(">II", data[16:24]) == (
        width,
        900,
    )
    # A page of one colour compresses to next to nothing.
    assert len(data) > 15_000
