"""octoDNS plans a zone of N records, live = desired: YAML files on both sides, as its own dry run. DIRECTORY N."""

import sys
from ipaddress import IPv4Address
from pathlib import Path

PROVIDER = "octodns.provider.yaml.YamlProvider"
FIRST = int(IPv4Address("10.0.0.0"))


def write(directory: Path, records: int) -> None:
    for side in ("desired", "live"):
        folder = directory / side
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "example.com.yaml").write_text(
            "---\n"
            + "".join(
                f"host-{n:07}: {{type: A, ttl: 300, value: {IPv4Address(FIRST + n)}}}\n"
                for n in range(records)
            )
        )
    (directory / "config.yaml").write_text(
        "providers:\n"
        f"  desired: {{class: {PROVIDER}, directory: {directory}/desired, enforce_order: false}}\n"
        f"  live: {{class: {PROVIDER}, directory: {directory}/live, enforce_order: false}}\n"
        "zones: {example.com.: {sources: [desired], targets: [live]}}\n"
    )


if __name__ == "__main__":
    home = Path(sys.argv[1])
    if len(sys.argv) > 2:
        write(home, int(sys.argv[2]))
    else:
        from octodns.manager import Manager  # only in the environment of the peers

        print(Manager(str(home / "config.yaml")).sync(dry_run=True), "changes")
