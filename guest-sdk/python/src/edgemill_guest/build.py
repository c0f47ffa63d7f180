"""Builds a transform's source, and all that it imports, into one WebAssembly component."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ._mend import Unknown, mended

_PACKAGE = Path(__file__).resolve().parent
_ENTRY = """\
import {name} as source
from edgemill_guest._component import transformer

Transformer = transformer(source)
"""


class BuildError(Exception):
    """Why a module could not be built."""


def build(source: Path, output: Path) -> int:
    """Writes the component of a Python file to ``output``; returns its size. Raises ``BuildError``."""
    name = source.stem
    if not source.is_file():
        raise BuildError(f"there is no file {source}")
    if not name.isidentifier():
        raise BuildError(f"{source.name} cannot be imported: its name must be a Python word")
    tool = _tool()
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="edgemill-guest-") as folder:
        # the package stands alone there, so that nothing else of its environment gets into the module
        shutil.copytree(_PACKAGE, Path(folder, "edgemill_guest"), ignore=shutil.ignore_patterns("__pycache__"))
        Path(folder, "edgemill_entry.py").write_text(_ENTRY.format(name=name))
        command = [*tool, "--quiet", "-d", str(_PACKAGE / "wit"), "-w", "transform", "componentize"]
        command += ["-p", folder, "-p", str(source.resolve().parent), "-o", str(unfinished.resolve()), "edgemill_entry"]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if ended.returncode != 0:
            unfinished.unlink(missing_ok=True)
            raise BuildError(ended.stderr.strip() or ended.stdout.strip())
    try:
        unfinished.write_bytes(mended(unfinished.read_bytes()))
    except Unknown as error:
        unfinished.unlink()
        raise BuildError(f"componentize-py has made a module that cannot be mended: {error}; install edgemill-guest[build]") from error
    # a running host takes what is renamed into its folder, and never half of it
    unfinished.replace(output)
    return output.stat().st_size


def _tool() -> list[str]:
    beside = Path(sys.executable).with_name("componentize-py")
    found = str(beside) if beside.is_file() else shutil.which("componentize-py")
    if found is None:
        raise BuildError("componentize-py is missing: pip install 'edgemill-guest[build]'")
    return [found]
