"""fetch(): download a data set, verify it and unpack it."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import re
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import Timeout

from bakeoff.data.progress import ProgressCallback
from bakeoff.errors import BakeoffError
from bakeoff.files import cannot_write
from bakeoff.locks import how_to_unlock, lock_at

BLOCK = 1 << 20

TIMEOUT_SECONDS = 30

ATTEMPTS_WITHOUT_PROGRESS = 3

SECONDS_BETWEEN_ATTEMPTS = 1.0

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Archive:
    """A published archive, and the files to extract from it.

    Attributes
    ----------
    base_urls
        URLs of the folders that have it, the preferred one first.
    name
        The archive's file name.
    md5
        Checksum of the archive, as published by its authors or users: it detects damage, not malice.
    folder
        The folder in the archive that contains the members; it has the same name on disk.
    members
        MD5 of each file to extract, by name; None if it is not known.
    max_bytes
        The longest download that is accepted from a server.
    """

    base_urls: tuple[str, ...]
    name: str
    md5: str
    folder: str
    members: Mapping[str, str | None] = field(default_factory=dict)
    max_bytes: int = 4_000_000_000


ARCHIVES = {
    "stl10": Archive(
        base_urls=("https://ai.stanford.edu/~acoates/stl10/", "http://ai.stanford.edu/~acoates/stl10/"),
        name="stl10_binary.tar.gz",
        md5="91f7769df0f17e558f3565bffb0c7dfb",
        folder="stl10_binary",
        members={
            "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
            "train_y.bin": "5a34089d4802c674881badbb80307741",
            "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
            "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
            "class_names.txt": None,
        },
    )
}


def fetch(
    name: str,
    directory: Path,
    *,
    base_url: str | None = None,
    progress: ProgressCallback | None = None,
    archives: Mapping[str, Archive] = ARCHIVES,
) -> Path:
    """Download a data set into `directory`, unless it is already there.

    An interrupted download is resumed, by the next attempt or the next call. While another process downloads
    into this folder, wait for it.

    Parameters
    ----------
    name
        A key of `archives`.
    directory
        Created if it does not exist.
    base_url
        URL of a folder that has the archive, instead of the official one.
    progress
        Called with a description of the step, the megabytes done and the total.
    archives
        The data sets that can be fetched.

    Returns
    -------
    The folder that contains the files.

    Raises
    ------
    BakeoffError
        If the name is unknown, the server cannot be reached, a checksum is wrong, or the disk is full.
    """
    if name not in archives:
        raise BakeoffError(f"unknown data set {name!r} (valid: {', '.join(archives)})")
    archive = archives[name]
    folder = directory / archive.folder
    if _is_complete(folder, archive):
        return folder
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(directory / f".{archive.name}.lock", progress):
            if not _is_complete(folder, archive):  # another process may have fetched it meanwhile
                packed = directory / f".{archive.name}.part"
                _download(archive, [base_url] if base_url else list(archive.base_urls), packed, progress)
                _verify(packed, archive)
                _unpack(packed, archive, folder)
                packed.unlink()
    except OSError as error:
        raise cannot_write(directory, error, act="write to") from error
    return folder


@contextmanager
def _one_at_a_time(lock_file: Path, progress: ProgressCallback | None) -> Iterator[None]:
    lock = lock_at(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            waiting = "waiting for another process that downloads into this folder"
            progress(f"{waiting}{how_to_unlock(lock)}", 0, 1)
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows cannot remove an open file
            Path(lock.lock_file).unlink()
        lock.release()


def _is_complete(folder: Path, archive: Archive) -> bool:
    return all(_is_right(folder / member, md5) for member, md5 in archive.members.items())


def _is_right(file: Path, md5: str | None) -> bool:
    return file.is_file() and (md5 is None or _md5(file) == md5)


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, _new_md5).hexdigest()


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _download(
    archive: Archive, base_urls: list[str], packed: Path, progress: ProgressCallback | None
) -> None:
    """Append to `packed` until the download is complete; fail after several attempts without progress."""
    urls = [f"{base.rstrip('/')}/{archive.name}" for base in base_urls]
    attempts = 0
    while True:
        before = _length(packed)
        url = urls[min(attempts, len(urls) - 1)]
        problem = _download_some(url, packed, archive.max_bytes, progress)
        if problem is None:
            return
        attempts = 0 if _length(packed) > before else attempts + 1
        if attempts == ATTEMPTS_WITHOUT_PROGRESS:
            raise BakeoffError(
                f"the download of {url} stopped after {_length(packed):,} bytes: {problem}; "
                "fetch it again to continue from there"
            )
        time.sleep(attempts * SECONDS_BETWEEN_ATTEMPTS)


def _length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http: and https: only, never from https: to http:."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError as error:
            message = f"and redirects to an invalid URL: {error}"
            raise urllib.error.HTTPError(req.full_url, code, message, headers, fp) from error

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and redirected.type not in ("https", req.type):
            message = f"and redirects to {newurl[:200]}, which is not followed"
            raise urllib.error.HTTPError(req.full_url, code, message, headers, fp)
        return redirected


def _download_some(url: str, packed: Path, max_bytes: int, progress: ProgressCallback | None) -> str | None:
    """Request the missing bytes once. None if the file is complete afterwards, else what went wrong."""
    num_bytes = _length(packed)
    request = urllib.request.Request(url, headers={"Range": f"bytes={num_bytes}-"} if num_bytes else {})
    try:
        response = urllib.request.build_opener(_WebOnly).open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None  # nothing is missing; if the file is too long, its checksum is wrong
        return f"the server answered {error.code} {str(error.reason)[:300]}"
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)
    except ValueError as error:
        raise BakeoffError(f"{url} is not a valid URL: {error}") from error
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            num_bytes = 0  # the server does not support resuming: it sends the whole file
        length = response.headers.get("Content-Length")
        total = num_bytes + int(length) if length and re.fullmatch("[0-9]{1,15}", length) else None
        return _receive(response, packed, num_bytes, total, max_bytes, progress)


def _receive(
    response: http.client.HTTPResponse,
    packed: Path,
    num_bytes: int,
    total: int | None,
    max_bytes: int,
    progress: ProgressCallback | None,
) -> str | None:
    with packed.open("ab") as file:
        file.truncate(num_bytes)
        while True:
            try:
                block = response.read1(BLOCK)  # the bytes received so far: a stall loses none
            except (OSError, http.client.HTTPException) as error:
                return _reason(error)
            file.write(block)
            num_bytes += len(block)
            if num_bytes > max_bytes:
                raise BakeoffError(
                    f"the server sent more than {max_bytes:,} bytes, so it serves another file; "
                    f"delete {packed} and use another server"
                )
            if progress:
                progress("downloading (MB)", num_bytes // MEGABYTE, (total or num_bytes) // MEGABYTE)
            if not block:
                break
        file.flush()
        os.fsync(file.fileno())
    if total is not None and num_bytes < total:
        return f"the connection ended {total - num_bytes:,} bytes early"
    return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error))[:300] or type(error).__name__


def _verify(packed: Path, archive: Archive) -> None:
    md5 = _md5(packed)
    if md5 != archive.md5:
        packed.unlink()
        raise BakeoffError(
            f"{archive.name} has the wrong checksum: MD5 {md5}, expected {archive.md5}; the download was "
            "removed, so fetch it again (if that fails too, the server has another file)"
        )


def _unpack(packed: Path, archive: Archive, folder: Path) -> None:
    """Extract the expected members and nothing else; each file is complete and verified, or absent."""
    missing = set(archive.members)
    folder.mkdir(exist_ok=True)
    try:
        with tarfile.open(packed, "r:gz") as tar:
            for entry in tar:
                name = entry.name.removeprefix(f"{archive.folder}/")
                # Only regular files with the expected names are written: no other path and no link of the
                # archive reaches the disk.
                if name in missing and entry.name == f"{archive.folder}/{name}" and entry.isreg():
                    content = tar.extractfile(entry)
                    assert content is not None  # it is a regular file
                    _write_verified(content, folder / name, archive.members[name])
                    missing.remove(name)
                if not missing:
                    break  # the rest, in STL-10 most of the archive, is not needed
        if missing:
            raise BakeoffError(
                f"{archive.name} lacks {', '.join(sorted(missing))}; expected them in {archive.folder}/"
            )
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BakeoffError(f"{archive.name} is not a readable archive: {error}") from error
    finally:
        with suppress(OSError):
            folder.rmdir()  # if it is empty


def _write_verified(content: IO[bytes], file: Path, md5: str | None) -> None:
    temporary = file.with_name(f".{file.name}.part")
    digest = _new_md5()
    try:
        with temporary.open("wb") as out:
            while block := content.read(BLOCK):
                digest.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if md5 is not None and digest.hexdigest() != md5:
            raise BakeoffError(
                f"{file.name} has the wrong checksum: MD5 {digest.hexdigest()}, expected {md5}"
            )
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
