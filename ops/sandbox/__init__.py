"""A production host on the loopback, broken in a named way: for demonstrations and for tests.

It stands beside the house. Only the doors and the tests know it.
"""

from __future__ import annotations

from ops.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
