"""``python -m edgemill_guest build SOURCE [-o OUT]``."""

import argparse
import sys
from pathlib import Path

from .build import BuildError, build


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgemill_guest", description="Tools for transforms in Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build a transform and all that it imports into a module")
    command.add_argument("source", type=Path, help="a Python file that declares a transform with @transform")
    command.add_argument("-o", "--output", type=Path, help="where the module goes; without it, the source's name with .wasm")
    arguments = parser.parse_args()
    output = arguments.output or Path(arguments.source.with_suffix(".wasm").name)
    try:
        size = build(arguments.source, output)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{output}: {size / 1e6:.1f} MB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
