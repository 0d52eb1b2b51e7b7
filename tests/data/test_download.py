import contextlib
import errno
import hashlib
import http.server
import io
import multiprocessing
import signal
import tarfile
import threading
import time

import pytest
from tests.faults.kernel import FLOCK, fail_always

from bakeoff.data import download as fetching
from bakeoff.data.download import ARCHIVES, Archive, fetch
from bakeoff.errors import BakeoffError

X = bytes(range(256)) * 2000
Y = b"labels"


def packed(members):
    """A tar.gz of (name, content) pairs; a content of None makes a link to /etc/passwd."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=0) as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


GOOD = packed(
    [("small/X.bin", X), ("small/y.bin", Y), ("small/unlabeled.bin", b"not wanted"), ("../evil", b"evil")]
)


def archives(content, y_md5=None):
    archive = Archive(
        base_urls=(),
        name="small.tar.gz",
        md5=hashlib.md5(content).hexdigest(),
        folder="small",
        members={"X.bin": hashlib.md5(X).hexdigest(), "y.bin": y_md5},
    )
    return {"small": archive}


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; keeps what was asked for; breaks off after `cut` bytes of an answer, if set.

    The first answer stops halfway until `may_go_on`.
    """

    content = GOOD
    cut = None
    resumes = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/data/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content, start = self.server.content, 0
        if self.path != "/data/small.tar.gz":
            self.send_error(404)
            return
        if wanted and self.server.resumes:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        content = content[start : start + (self.server.cut or len(content))]
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.server.may_go_on.wait(timeout=60)
        with contextlib.suppress(OSError):  # the client may be dead
            self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS_BETWEEN_ATTEMPTS", 0)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def test_only_the_expected_files_are_kept(server, tmp_path):
    directory = tmp_path / "new" / "folder"
    steps = []
    kept = fetch("small", directory, base_url=server.url, archives=archives(GOOD),
                 progress=lambda *step: steps.append(step))  # fmt: skip
    assert kept == directory / "small"
    assert names(tmp_path) == [
        "new",
        "new/folder",
        "new/folder/small",
        "new/folder/small/X.bin",
        "new/folder/small/y.bin",
    ]
    assert (kept / "X.bin").read_bytes() == X
    assert (kept / "y.bin").read_bytes() == Y
    assert steps[-1][0] == "downloading (MB)"
    assert server.asked == [("/data/small.tar.gz", None)]


def test_a_second_fetch_asks_for_nothing(server, tmp_path):
    for _ in range(2):
        fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert len(server.asked) == 1


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    kept = fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    (kept / "X.bin").write_bytes(X[:-1])
    fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert (kept / "X.bin").read_bytes() == X


def test_a_connection_that_breaks_off_is_taken_up_where_it_stopped(server, tmp_path):
    server.cut = 200_000
    fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert (tmp_path / "small" / "X.bin").read_bytes() == X
    assert [wanted for _, wanted in server.asked] == [None, "bytes=200000-", "bytes=400000-"]


def test_what_an_earlier_call_left_is_taken_up(server, tmp_path):
    (tmp_path / ".small.tar.gz.part").write_bytes(GOOD[:1000])
    fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert server.asked == [("/data/small.tar.gz", "bytes=1000-")]
    assert (tmp_path / "small" / "X.bin").read_bytes() == X


def test_a_whole_archive_left_by_an_earlier_call_is_used(server, tmp_path):
    (tmp_path / ".small.tar.gz.part").write_bytes(GOOD)
    fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert (tmp_path / "small" / "X.bin").read_bytes() == X


def test_a_server_that_cannot_resume_sends_everything_again(server, tmp_path):
    server.resumes = False
    (tmp_path / ".small.tar.gz.part").write_bytes(b"other bytes")
    fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert (tmp_path / "small" / "X.bin").read_bytes() == X


def test_wrong_content_is_refused_and_removed(server, tmp_path):
    server.content = GOOD[:-1] + b"?"
    with pytest.raises(BakeoffError, match=r"small.tar.gz has the wrong checksum: MD5 .*expected .*removed"):
        fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert names(tmp_path) == []


def test_a_member_with_wrong_content_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(BakeoffError, match=r"y.bin has the wrong checksum"):
        fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD, y_md5="0" * 32))
    assert not (tmp_path / "small" / "y.bin").exists()
    assert not list((tmp_path / "small").glob(".*"))


def test_a_missing_file_on_the_server_is_told(server, tmp_path):
    with pytest.raises(BakeoffError, match=r"download of .*/nowhere/small.tar.gz stopped after 0 bytes.*404"):
        fetch("small", tmp_path, base_url=server.url.replace("data", "nowhere"), archives=archives(GOOD))
    assert names(tmp_path) == []


def test_a_server_that_is_not_there_is_told_and_the_part_kept(server, tmp_path):
    server.server_close()
    (tmp_path / ".small.tar.gz.part").write_bytes(GOOD[:1000])
    with pytest.raises(BakeoffError, match=r"stopped after 1,000 bytes: .*refused.*fetch it again"):
        fetch("small", tmp_path, base_url=server.url, archives=archives(GOOD))
    assert names(tmp_path) == [".small.tar.gz.part"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed([("small/X.bin", X)]), "lacks y.bin"),
        (packed([("small/X.bin", X), ("small/y.bin", None)]), "lacks y.bin"),
        (
            packed([("small/X.bin", X), ("y.bin", Y), ("/small/y.bin", Y), ("a/../small/y.bin", Y)]),
            "lacks y.bin",
        ),
        (b"no archive", "not a readable archive"),
        (GOOD[: len(GOOD) // 2], "not a readable archive"),
    ],
)
def test_an_archive_without_the_expected_files_is_refused(server, tmp_path, content, words):
    server.content = content
    with pytest.raises(BakeoffError, match=words):
        fetch("small", tmp_path, base_url=server.url, archives=archives(content))
    assert not (tmp_path / "small" / "y.bin").exists()


def test_a_folder_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BakeoffError, match=r"cannot write to .*file.*choose another folder"):
        fetch("small", tmp_path / "file", base_url=server.url, archives=archives(GOOD))


def fetch_and_tell(directory, url, known, messages, has_locks):
    if not has_locks:
        fail_always(FLOCK, errno.ENOLCK)
    fetch("small", directory, base_url=url, archives=known,
          progress=lambda text, done, total: messages.put(text))  # fmt: skip


@pytest.mark.parametrize(
    ("first_is_killed", "has_locks"),
    [(False, True), (True, True), pytest.param(True, False, marks=pytest.mark.needs("seccomp"))],
)
def test_of_two_processes_that_fetch_into_one_folder_the_second_waits(
    server, tmp_path, first_is_killed, has_locks
):
    context = multiprocessing.get_context("spawn")
    server.may_go_on.clear()
    processes = []
    for expected in ("downloading (MB)", "waiting for another process that downloads into this folder"):
        messages = context.Queue()
        process = context.Process(
            target=fetch_and_tell, args=(tmp_path, server.url, archives(GOOD), messages, has_locks)
        )
        process.start()
        processes.append(process)
        assert messages.get(timeout=60).startswith(expected)
    part = tmp_path / ".small.tar.gz.part"
    while part.stat().st_size < len(GOOD) // 2:
        time.sleep(0.01)
    if first_is_killed:
        processes[0].kill()
    server.may_go_on.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL if first_is_killed else 0, 0]
    assert names(tmp_path) == ["small", "small/X.bin", "small/y.bin"]
    assert (tmp_path / "small" / "X.bin").read_bytes() == X
    assert [wanted for _, wanted in server.asked] == [
        None, *([f"bytes={len(GOOD) // 2}-"] if first_is_killed else [])
    ]  # fmt: skip


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(BakeoffError, match=r"unknown data set 'mnist' \(valid: stl10\)"):
        fetch("mnist", tmp_path)


def test_the_checksums_of_stl10_are_those_of_the_real_images(stl10_binary_dir):
    for name in ("train_X.bin", "train_y.bin"):
        content = (stl10_binary_dir / name).read_bytes()
        assert hashlib.md5(content).hexdigest() == ARCHIVES["stl10"].members[name]
