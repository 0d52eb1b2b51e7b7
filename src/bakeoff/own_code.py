"""A user's own classes and functions: imported by path, and sent to machines that lack them.

The source of the class's module is sent, with that of every imported module from the same folder (the entry
of `sys.path` that contains it), but no other file in it, such as images or results. Pickling the class
itself would leave out the modules that it imports.
"""

from __future__ import annotations

import ast
import atexit
import hashlib
import importlib
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath
from typing import Any

from bakeoff.errors import BakeoffError

OwnCode = Mapping[str, bytes]
"""Content of each file by its name: of its module, or of its path below an entry of `sys.path`."""


def import_class(path: str, role: str) -> type:
    """Import the class at `package.module:Class`; `role` ("model", "augmentation") is for messages.

    Raises
    ------
    BakeoffError
        If the module cannot be imported or has no such class.
    """
    cls: type = _import(path, role, "class", lambda value: isinstance(value, type))
    return cls


def import_callable(path: str, role: str) -> Callable[..., Any]:
    """Import what can be called at `package.module:function` and is no class; see `import_class`."""
    function: Callable[..., Any] = _import(path, role, "function", callable)
    return function


def import_factory(path: str, role: str) -> Callable[..., Any]:
    """Import a class, or a function that makes something, at a path; see `import_class`."""
    factory: Callable[..., Any] = _import(path, role, "class or function", callable)
    return factory


def _import(path: str, role: str, kind: str, is_kind: Callable[[Any], bool]) -> Any:
    module_name, _, name = path.partition(":")
    before = _being_imported.set(module_name)
    try:
        module = importlib.import_module(module_name)
    except BakeoffError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's module raises; a script may exit
        raise BakeoffError(
            f"{role} {path!r}: cannot import {module_name!r} ({type(error).__name__}: {error}); "
            "it must be installed or be in the current folder"
        ) from error
    finally:
        _being_imported.reset(before)
    found = getattr(module, name, None)
    if kind == "function" and isinstance(found, type):
        raise BakeoffError(f"{role} {path!r} is a class; expected a function")
    if not is_kind(found):
        others = [
            other
            for other, value in vars(module).items()
            if is_kind(value)
            and getattr(value, "__module__", "") == module_name  # not from elsewhere
            and not other.startswith("_")
        ]
        place = place_of(module_name)
        is_installed = place is None or _is_installed(place)
        whose = f" (an installed module, not a file of yours: {place})" if is_installed else ""
        raise BakeoffError(
            f"{role} {path!r}: {module_name}{whose} has no {kind} {name!r}; "
            f"it has {', '.join(others) or 'none'}"
        )
    return found


_being_imported: ContextVar[str | None] = ContextVar("_being_imported", default=None)


def forget(paths: Iterable[str]) -> None:
    """Let the next import of the classes and functions at these paths run their files again.

    So that nothing that a run left in them, such as a network at the top level of a module, enters the next.
    """
    for path in paths:
        for name in own_files(path):
            place = place_of(name)
            if place is not None and not _is_installed(place):
                sys.modules.pop(name, None)


def refuse_in_import() -> None:
    """Raise an error if `import_class` imports the module that calls this: a script without a guard."""
    if name := _being_imported.get():
        raise BakeoffError(
            f"bakeoff.run() was reached when {name!r} was imported for its classes; "
            'put the call below a line `if __name__ == "__main__":`'
        )


def source_digest(path: str) -> str:
    """SHA-256 over the files that decide what the class at an import path does; nothing is imported.

    These are the module's file and those of the user's own that it imports, see `own_files`; "" where there
    is no file (a class typed in at a prompt).
    """
    files = own_files(path)
    if len(files) == 1:  # as versions before the neighbors were part of it
        return hashlib.sha256(*files.values()).hexdigest()
    return digest_of(files) if files else ""


def check_unchanged(digests: Mapping[str, str]) -> None:
    """Check that the files of classes and functions are those whose digests, by import path, are given.

    Raises
    ------
    BakeoffError
        If one was edited since.
    """
    for path, digest in digests.items():
        if source_digest(path) != digest:
            raise BakeoffError(
                f"the files of {path} were edited while the study ran; restore them and run the study again, "
                "or run it in another folder (runs of both versions would be mixed)"
            )


def own_files(path: str) -> OwnCode:
    """The files that importing the class at an import path runs, by module name; none is run here.

    Follows import statements from the class's module to other files of the user's own, wherever in a file
    they stand. What is installed, Python's or Bakeoff's is left out, but for the class's own module. Imports
    by a computed name cannot be seen.
    """
    start = path.partition(":")[0]
    files: dict[str, bytes] = {}
    names = [start]
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        names += [name[:end] for end, character in enumerate(name) if character == "."]
        place = place_of(name)
        if place is None or (name != start and _is_installed(place)):
            continue
        content = place.read_bytes()
        if content or name == start:
            files[name] = content
        if not _is_installed(place):
            names += _imported_names(content, name, is_package=place.name == "__init__.py")
    return files


def place_of(name: str) -> Path | None:
    """The source file of a module, found without running the packages above it."""
    search: Sequence[str] | None = None
    spec = None
    for end in [*(i for i, character in enumerate(name) if character == "."), len(name)]:
        spec = PathFinder.find_spec(name[:end], search)
        if spec is None:
            spec = getattr(sys.modules.get(name[:end]), "__spec__", None)  # found by another finder
        if spec is None:
            return None
        search = spec.submodule_search_locations
    origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") and Path(origin).is_file() else None


def _imported_names(source: bytes, module: str, *, is_package: bool) -> list[str]:
    """Every name that may be a module in the import statements of a source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # to import it will say so
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")
            parents = parents[: len(parents) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]
    return [name for name in names if name]


def trust(digests: Iterable[str]) -> None:
    """Note that this user ran code with these digests on this machine; without a place for it, nothing."""
    new = set(digests) - _trusted() - {""}
    if new:
        with suppress(OSError, RuntimeError):
            _trusted_file().parent.mkdir(parents=True, exist_ok=True)
            with _trusted_file().open("a", encoding="ascii") as file:
                file.writelines(f"{digest}\n" for digest in sorted(new))


def is_trusted(digest: str) -> bool:
    """Whether this user ran code with this digest on this machine."""
    return digest in _trusted()


def _trusted() -> set[str]:
    try:
        return set(_trusted_file().read_text("ascii").split())
    except (OSError, RuntimeError, ValueError):
        return set()


def _trusted_file() -> Path:
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(folder) / "bakeoff" / "code-that-was-run"


def import_path(cls: Any) -> str:
    """The path `module:Class` by which worker processes can import a class, or a function likewise.

    Raises
    ------
    BakeoffError
        If it is not at the top level of a module, or was defined at a prompt or in a notebook.
    """
    name = cls.__name__
    module = cls.__module__
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        module = Path(file).stem if file else ""
        if not module.isidentifier():
            raise BakeoffError(
                f"{name} was defined at a prompt or in a notebook, where worker processes cannot import it; "
                f"put it into a file, such as own.py (%%writefile own.py in a notebook), and import it"
            )
    if cls.__qualname__ != name:
        raise BakeoffError(f"{cls.__qualname__} is nested; define {name} at the top level of its file")
    return f"{module}:{name}"


def collect_own_code(paths: Iterable[str]) -> OwnCode:
    """Read the files that define the classes at these import paths, and the imported files beside them.

    Installed packages (in a folder `site-packages`) are left out: other machines need them installed too.

    Raises
    ------
    BakeoffError
        If a class was defined at a prompt or in the script that is run, so that no other process can import
        it.
    """
    files: dict[str, bytes] = {}
    roots = {root for path in paths if (root := _root_of(path)) is not None}
    for root in roots:
        for module in list(sys.modules.values()):
            spec = getattr(module, "__spec__", None)
            if spec and spec.has_location and str(spec.origin).endswith(".py"):
                file = Path(spec.origin).resolve()
                if file.is_relative_to(root) and not _is_installed(file):
                    files[file.relative_to(root).as_posix()] = file.read_bytes()
    return files


def _root_of(path: str) -> Path | None:
    """The entry of `sys.path` that contains the module of an import path; None if it is installed."""
    _import(path, "code", "class or function", callable)
    name = path.partition(":")[0]
    file = getattr(sys.modules[name], "__file__", None)
    if file is None or name == "__main__":
        raise BakeoffError(
            f"{path!r} cannot be sent to other machines: it was defined at a prompt or in the script "
            "that is run; put it into a file of its own and import it from there"
        )
    module_file = Path(file).resolve()
    if _is_installed(module_file):
        return None
    return module_file.parents[name.count(".") + (module_file.name == "__init__.py")]


def _is_installed(file: Path) -> bool:
    """Whether a file belongs to Python, to an installed package or to Bakeoff."""
    if not {"site-packages", "dist-packages"}.isdisjoint(file.parts):
        return True
    standard_library = Path(sysconfig.get_path("stdlib")).resolve()
    return file.is_relative_to(standard_library) or file.is_relative_to(Path(__file__).resolve().parent)


def digest_of(files: OwnCode) -> str:
    """SHA-256 of the names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def make_importable(files: OwnCode) -> None:
    """Write the files to a temporary folder of this process and put it first in `sys.path`."""
    folder = Path(tempfile.mkdtemp(prefix="bakeoff-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, content in files.items():
        file = folder / PurePosixPath(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    sys.path.insert(0, str(folder))
