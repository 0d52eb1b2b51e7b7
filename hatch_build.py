"""Builds the CPU kernels with the package where there is a C++ compiler; else it installs without them."""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = Path("src/bakeoff/kernels")


class KernelsBuildHook(BuildHookInterface):
    """Wheels carry the libraries and the platform's tag; an editable install has them next to the source."""

    workplace: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        kernels = Path(self.root) / KERNELS
        compiling = _load(kernels / "compile.py")
        if version == "editable":
            libraries, problems = compiling.build(kernels)
        else:
            self.workplace = tempfile.mkdtemp()
            libraries, problems = compiling.build(Path(self.workplace))
            for library in libraries:
                build_data["force_include"][str(library)] = f"bakeoff/kernels/{library.name}"
            if libraries:
                platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data["pure_python"] = False
                build_data["tag"] = f"py3-none-{platform}"  # no part of Python's own interface is used
        for library in libraries:
            self.app.display_info(f"bakeoff: built {library.name}")
        for problem in problems:
            self.app.display_warning(f"bakeoff: kernels not built: {problem}")
        if not libraries:
            self.app.display_warning("bakeoff: PyTorch's own operations will be used, which take longer")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.workplace:
            shutil.rmtree(self.workplace, ignore_errors=True)


def _load(path: Path) -> ModuleType:
    """A module by its path: importing the package would import what it depends on."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
