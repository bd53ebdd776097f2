"""What a user would write: read the YAML, send a request for each object, one after another. DIRECTORY URL KEY."""

import sys
from pathlib import Path

import httpx

from benchmarks.peers.requests_of import stages

directory, url, key = sys.argv[1:]
with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
    for requests in stages(Path(directory)).values():
        for path, body in requests:
            client.post(path, json=body).raise_for_status()
