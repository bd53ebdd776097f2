"""The same requests with the product's HTTP library and concurrency, and nothing around them. DIRECTORY URL KEY N."""

import asyncio
import sys
from pathlib import Path

from httpx_aiohttp import HttpxAiohttpClient

from benchmarks.peers.requests_of import stages


async def main(directory: str, url: str, key: str, concurrency: int) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with HttpxAiohttpClient(base_url=url, headers=headers, timeout=60) as client:
        for requests in stages(Path(directory)).values():
            queue = iter(requests)

            async def worker(queue=queue) -> None:
                for path, body in queue:
                    (await client.post(path, json=body)).raise_for_status()

            await asyncio.gather(*(worker() for _ in range(concurrency)))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
