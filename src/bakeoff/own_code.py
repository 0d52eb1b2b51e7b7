"""A user's own classes: found by import path `package.module:Class`, and sent to machines that lack them.

Models and augmentations are named by import path. What is sent is the source of that module and of every
module that came from the same folder (the entry of `sys.path` it was found under): with it go the neighbors
that it imports, and nothing else that lies there, such as images or results. Sending the class itself by
pickle would leave the neighbors behind.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import inspect
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from bakeoff.errors import BakeoffError


def import_class(path: str, role: str) -> type:
    """The class at `package.module:Class`; `role` ("model", "augmentation") names it in messages.

    Raises
    ------
    BakeoffError
        If the module cannot be imported or has no such class.
    """
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises; a script may exit
        raise BakeoffError(
            f"{role} {path!r}: cannot import {module_name!r} ({type(error).__name__}: {error}); "
            "it must be installed or lie in the current folder"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module_name  # not what it imports
        ]
        raise BakeoffError(
            f"{role} {path!r}: {module_name} has no class {class_name!r}; "
            f"it has {', '.join(classes) or 'none'}"
        )
    return found


def source_digest(path: str, role: str) -> str:
    """SHA-256 of the file that holds the class, or "" where there is none (typed in at a prompt)."""
    file = inspect.getsourcefile(import_class(path, role))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def import_path(own: type) -> str:
    """The path `module:Class` under which worker processes find a class.

    Raises
    ------
    BakeoffError
        If it is not at the top of a module, or was typed in at a prompt or in a notebook.
    """
    name = own.__name__
    module = own.__module__
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        module = Path(file).stem if file else ""
        if not module.isidentifier():
            raise BakeoffError(
                f"{name} was typed in here, where worker processes cannot find it; "
                f"put it into a file, such as own.py (%%writefile own.py in a notebook), and import it"
            )
    if own.__qualname__ != name:
        raise BakeoffError(f"{own.__qualname__} is inside of something; define {name} at the top of its file")
    return f"{module}:{name}"


OwnCode = Mapping[str, bytes]
"""Content of each file by its path below an entry of `sys.path`."""


def collect_own_code(paths: Iterable[str]) -> OwnCode:
    """The files that hold the classes at these import paths, and their neighbors that are imported.

    What is installed (in a folder `site-packages`) stays out: other machines need it installed too.

    Raises
    ------
    BakeoffError
        If a class was typed in at a prompt or stands in a script that is run, so that no other process can
        import it.
    """
    files: dict[str, bytes] = {}
    roots = {root for path in paths if (root := _root_of(path)) is not None}
    for root in roots:
        for module in list(sys.modules.values()):
            spec = getattr(module, "__spec__", None)
            if spec and spec.has_location and str(spec.origin).endswith(".py"):
                place = Path(spec.origin).resolve()
                if place.is_relative_to(root) and not _is_installed(place):
                    files[place.relative_to(root).as_posix()] = place.read_bytes()
    return files


def _root_of(path: str) -> Path | None:
    """The folder under which the module of an import path was found; None if it is installed."""
    import_class(path, "class")
    name = path.partition(":")[0]
    file = getattr(sys.modules[name], "__file__", None)
    if file is None or name == "__main__":
        raise BakeoffError(
            f"{path!r} cannot be sent to other machines: it was typed in, or stands in the script "
            "that is run; put it into a file of its own and import it from there"
        )
    place = Path(file).resolve()
    if _is_installed(place):
        return None
    return place.parents[name.count(".") + (place.name == "__init__.py")]


def _is_installed(place: Path) -> bool:
    """Whether a file is Python's own, of an installed package, or Bakeoff's."""
    if not {"site-packages", "dist-packages"}.isdisjoint(place.parts):
        return True
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return place.is_relative_to(standard) or place.is_relative_to(Path(__file__).resolve().parent)


def digest_of(files: OwnCode) -> str:
    """SHA-256 over names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def make_importable(files: OwnCode) -> None:
    """Write the files to a folder of this process, and let imports find it first."""
    folder = Path(tempfile.mkdtemp(prefix="bakeoff-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, content in files.items():
        place = folder / PurePosixPath(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    sys.path.insert(0, str(folder))
