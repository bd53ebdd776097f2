"""Git for tests."""

import subprocess
from pathlib import Path

NAMED = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")


def git(directory: Path, *arguments: str) -> str:
    """Git with a name of its own, whatever the machine's settings say; what it printed."""
    done = subprocess.run(
        ["git", *NAMED, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
