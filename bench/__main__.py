"""All benchmarks, one after the other: `python -m bench [--check]`. About three minutes."""

from __future__ import annotations

import argparse
import sys

from bench import fab_list, latency, stream


def main() -> int:
    """Run them all; return 1 when a goal is missed and `--check` was given."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    arguments = ["--check"] if parser.parse_args().check else []
    codes: list[int] = [part.main(arguments) for part in (fab_list, latency, stream)]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
