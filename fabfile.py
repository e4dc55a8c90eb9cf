"""`fab ENVIRONMENT ACTION`: the tasks are made from inventory.yaml beside this file."""

from pathlib import Path

from ops.fab import namespace

ns = namespace(Path(__file__).with_name("inventory.yaml"))
