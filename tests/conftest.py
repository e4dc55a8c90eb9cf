"""For all tests: signals as a terminal has them, and no journal in anybody's home directory."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

# A shell that starts the tests in the background, or nohup, has these ignored, and every program
# started from here would inherit that: Ctrl-C could then not be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / f"ops-tests-{os.getpid()}")
