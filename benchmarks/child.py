"""A fresh Python process for one measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run_child(
    module: str, *arguments: str, timeout_s: float | None = None, **environment: str
) -> Any:
    """What `python -m module arguments` prints, read as JSON.

    Raises CalledProcessError where it fails and TimeoutExpired after `timeout_s`.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=timeout_s,
    )
    return json.loads(done.stdout)
