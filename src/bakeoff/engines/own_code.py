"""The user's own Python files, as text that travels to machines which do not have them.

Models and augmentations are named by import path (`package.module:Class`). What travels is the source of
that module and of every module that came from the same folder (the entry of `sys.path` it was found
under): with it go the neighbours that it imports, and nothing else that lies there, such as images or
results. Sending the class itself by pickle would leave the neighbours behind.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bakeoff.errors import BakeoffError
from bakeoff.importing import import_class
from bakeoff.study import Study
from bakeoff.study.model_settings import CustomModelSettings

OwnCode = Mapping[str, bytes]
"""Content of each file by its path below an entry of `sys.path`."""


def collect_own_code(study: Study) -> OwnCode:
    """The files that hold the models and augmentations of the user's own which the study names.

    What is installed (in a folder `site-packages`) stays out: other machines need it installed too.

    Raises
    ------
    BakeoffError
        If a class was typed in at a prompt or stands in a script that is run, so that no other process can
        import it.
    """
    files: dict[str, bytes] = {}
    roots = {root for path in _own_paths(study) if (root := _root_of(path)) is not None}
    for root in roots:
        for module in list(sys.modules.values()):
            spec = getattr(module, "__spec__", None)
            if spec and spec.has_location and str(spec.origin).endswith(".py"):
                place = Path(spec.origin).resolve()
                if place.is_relative_to(root) and not _is_installed(place):
                    files[place.relative_to(root).as_posix()] = place.read_bytes()
    return files


def _own_paths(study: Study) -> set[str]:
    models = {r.model.name for r in study.recipes.values() if isinstance(r.model, CustomModelSettings)}
    return models | {r.augmentation.custom for r in study.recipes.values() if r.augmentation.custom}


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
    return place.is_relative_to(standard) or place.is_relative_to(Path(__file__).resolve().parents[1])


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
