"""A real server on this machine that lies, stalls and redirects: refused or resumed, never half a file."""

import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
import time

import pytest

from bakeoff.data import download as fetching
from bakeoff.data.download import Archive, fetch

X = bytes(range(256)) * 2_000


def pack(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=0) as tar:
        for name, kind, link in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            entry.size = len(X) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(X))
    return file.getvalue()


GOOD = pack([("small/X.bin", tarfile.REGTYPE, "")])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with contextlib.suppress(OSError):  # the client may have gone
            self.server.answer(self)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS_BETWEEN_ATTEMPTS", 0)
    monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.5)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch_small(server, tmp_path):
    def fetch_content(content, max_bytes=10_000_000):
        md5 = hashlib.md5(content).hexdigest()
        archive = Archive((), "small.tar.gz", md5, "small", {"X.bin": hashlib.md5(X).hexdigest()}, max_bytes)
        url = f"http://127.0.0.1:{server.server_address[1]}/data"
        return fetch("small", tmp_path / "to", base_url=url, archives={"small": archive})

    return fetch_content


def send(request, content, *headers, status=200):
    request.send_response(status)
    for name, value in headers:
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("length", ["many", "-5", "1" * 30, "٣"])
def test_a_length_that_is_none_is_passed_over(server, fetch_small, length):
    header = ("Content-Length", length.encode().decode("latin-1"))
    server.answer = lambda request: send(request, GOOD, header)
    assert (fetch_small(GOOD) / "X.bin").read_bytes() == X


def test_a_server_that_never_ends_does_not_fill_the_disk(server, fetch_small, tmp_path, refused):
    def answer(request):
        send(request, b"")
        while True:
            request.wfile.write(bytes(100_000))

    server.answer = answer
    with refused("sent more than 1,000,000 bytes"):
        fetch_small(GOOD, max_bytes=1_000_000)
    assert files(tmp_path) == ["to/.small.tar.gz.part"]
    assert (tmp_path / "to/.small.tar.gz.part").stat().st_size < 3_000_000


def test_what_came_before_a_stall_is_kept_and_taken_up(server, fetch_small):
    asked = []

    def answer(request):
        wanted = request.headers.get("Range")
        asked.append(wanted)
        start = int(wanted[6:-1]) if wanted else 0
        length = ("Content-Length", str(len(GOOD) - start))
        send(request, GOOD[start : start + 100_000], length, status=206 if wanted else 200)
        request.wfile.flush()
        time.sleep(0.7 if start + 100_000 < len(GOOD) else 0)

    server.answer = answer
    assert (fetch_small(GOOD) / "X.bin").read_bytes() == X
    assert asked == [None, *(f"bytes={start}-" for start in range(100_000, len(GOOD), 100_000))]


@pytest.mark.parametrize(
    "goal", ["file:///etc/passwd", "ftp://127.0.0.1:1/x", "data:,x", "http://[::bad/", ""]
)
def test_a_redirection_away_from_the_web_is_not_followed(server, fetch_small, tmp_path, refused, goal):
    server.answer = lambda request: send(request, b"", ("Location", goal or request.path), status=302)
    with refused():
        fetch_small(GOOD)
    assert files(tmp_path) == []


def test_a_redirection_on_the_web_is_followed(server, fetch_small):
    def answer(request):
        if request.path.endswith("/elsewhere"):
            send(request, GOOD)
        else:
            send(request, b"", ("Location", "/elsewhere"), status=302)

    server.answer = answer
    assert (fetch_small(GOOD) / "X.bin").read_bytes() == X


def test_a_part_from_elsewhere_in_the_file_is_noticed(server, fetch_small, tmp_path, refused):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/.small.tar.gz.part").write_bytes(GOOD[:1_000])
    server.answer = lambda request: send(request, GOOD[7:], status=206)
    with refused("wrong checksum"):
        fetch_small(GOOD)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../evil", tarfile.REGTYPE, ""),
        ("small/../../evil", tarfile.REGTYPE, ""),
        ("/tmp/evil", tarfile.REGTYPE, ""),
        ("small", tarfile.SYMTYPE, "/tmp"),
        ("small/X.bin", tarfile.SYMTYPE, "/etc/passwd"),
        ("small/X.bin", tarfile.LNKTYPE, "/etc/passwd"),
        ("small/X.bin", tarfile.CHRTYPE, ""),
        ("small/X.bin", tarfile.FIFOTYPE, ""),
        ("small/X.bin/z", tarfile.REGTYPE, ""),
    ],
)
def test_members_that_want_to_be_elsewhere_are_not_written(server, fetch_small, tmp_path, name, kind, link):
    content = pack([(name, kind, link), ("small/X.bin", tarfile.REGTYPE, "")])
    server.answer = lambda request: send(request, content)
    assert (fetch_small(content) / "X.bin").read_bytes() == X
    assert files(tmp_path) == ["to/small/X.bin"]
    assert not (tmp_path / "to/small/X.bin").is_symlink()


def test_an_archive_of_another_kind_is_refused(server, fetch_small, refused):
    import lzma

    content = lzma.compress(GOOD)
    server.answer = lambda request: send(request, content)
    with refused("not a readable archive"):
        fetch_small(content)


def test_a_disk_too_small_for_a_download_is_told_and_nothing_half_is_left(
    server, small_disk, tmp_path, fetch_small, refused
):
    disk = small_disk("2m")
    (tmp_path / "to").symlink_to(disk.path)
    server.answer = lambda request: send(request, GOOD)
    for leave_kib in (200, 700):  # too little for the archive, or for what is in it
        disk.fill(leave_kib=leave_kib)
        with refused("No space left on device"):
            fetch_small(GOOD)
        assert not [name for name in files(disk.path) if name.endswith("X.bin")]
        disk.make_room()
    assert (fetch_small(GOOD) / "X.bin").read_bytes() == X
