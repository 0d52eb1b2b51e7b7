"""A server on this machine that lies, stalls, redirects and breaks off; and what may be fetched from it."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import random
import tarfile
import threading
import time
from pathlib import Path

from bakeoff.data.download import Archive

CONTENT = {"X.bin": bytes(range(256)) * 40, "y.bin": b"labels"}


def pack(rng: random.Random) -> bytes:
    """A tar.gz with the two files, and with members that want to be elsewhere."""
    file = io.BytesIO()
    members = [(f"small/{name}", tarfile.REGTYPE, "") for name in CONTENT]
    for _ in range(rng.randrange(4)):
        name = rng.choice(
            (
                "../evil",
                "/tmp/bakeoff-evil",
                "small/../../evil",
                "small/X.bin",
                "small",
                "small/y.bin/z",
                "x" * 300,
            )
        )
        kind = rng.choice(
            (
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.CHRTYPE,
                tarfile.FIFOTYPE,
                tarfile.DIRTYPE,
                tarfile.REGTYPE,
                tarfile.GNUTYPE_SPARSE,
            )
        )
        members.insert(
            rng.randrange(len(members) + 1), (name, kind, rng.choice(("/etc", "../..", "small/y.bin")))
        )
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for name, kind, link in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            content = CONTENT.get(name.removeprefix("small/"), b"evil")
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def archives(content: bytes) -> dict[str, Archive]:
    md5 = {name: hashlib.md5(value).hexdigest() for name, value in CONTENT.items()}
    archive = Archive((), "small.tar.gz", hashlib.md5(content).hexdigest(), "small", md5, max_bytes=200_000)
    return {"small": archive}


class HostileServer(http.server.ThreadingHTTPServer):
    """Serves `sent` where `promised` was announced, in one of several bad ways."""

    daemon_threads = True
    promised = sent = b""
    lie = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data/"

    def behave(self, rng: random.Random) -> None:
        self.rng = rng
        self.promised = self.sent = pack(rng)
        if rng.random() < 0.3:  # an archive that is damaged, under its own checksum
            damaged = bytearray(self.sent)
            for _ in range(3):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            self.promised = self.sent = bytes(damaged[: rng.choice((len(damaged), len(damaged) // 2))])
        self.lie = rng.choice(
            (
                "",
                "",
                "short",
                "long",
                "word",
                "negative",
                "huge",
                "endless",
                "cut",
                "slow",
                "other",
                "status",
                "range",
                "file",
                "ftp",
                "data",
                "loop",
                "nowhere",
                "bytes",
            )
        )

    @staticmethod
    def check_kept(folder: Path) -> None:
        """No file outside, none under a final name that is not whole."""
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
        found.pop("to/.small.tar.gz.part", None)
        for name, path in found.items():
            assert name in ("to/small/X.bin", "to/small/y.bin"), f"fetch wrote {name}"
            assert not path.is_symlink(), f"fetch wrote a link {name}"
            assert path.read_bytes() == CONTENT[path.name], f"fetch wrote half of {name}"
        assert not Path("/tmp/bakeoff-evil").exists()


class Handler(http.server.BaseHTTPRequestHandler):
    server: HostileServer

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):  # the client has gone
            self._answer(self.server.lie, self.server.sent)

    def _answer(self, lie: str, content: bytes) -> None:
        goals = {
            "file": "file:///etc/passwd",
            "ftp": "ftp://127.0.0.1:1/x",
            "data": "data:,x",
            "loop": self.path,
            "nowhere": "http://[::bad/",
        }
        if lie in goals:
            self.send_response(302)
            self.send_header("Location", goals[lie])
            self.end_headers()
            return
        if lie == "bytes":
            self.wfile.write(self.server.rng.randbytes(300))
            return
        if lie == "status":
            self.send_response(self.server.rng.choice((204, 206, 404, 416, 500, 599)), "\x1b[2Jevil")
            self.end_headers()
            return
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and lie != "other" else 0
        if lie == "range":
            start = min(7, len(content))
        self.send_response(206 if wanted and lie != "other" else 200)
        length = {
            "short": "100",
            "long": str(len(content) + 999),
            "word": "many",
            "negative": "-5",
            "huge": "9" * 30,
        }.get(lie, str(len(content) - start))
        if lie != "endless":
            self.send_header("Content-Length", length)
        self.end_headers()
        body = content[start:]
        if lie == "cut":
            body = body[: len(body) // 2]
        self.wfile.write(body[:300])
        if lie == "slow":
            self.wfile.flush()
            time.sleep(0.5)
        self.wfile.write(body[300:])
        while lie == "endless":
            self.wfile.write(bytes(100_000))

    def log_message(self, *args: object) -> None:
        pass


def serve() -> HostileServer:
    server = HostileServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
