"""One file per action; each reads like the runbook that it automates."""
