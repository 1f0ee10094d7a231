"""The jars of one Kafka broker: fetched once by Maven into a cache, checked against their sums.

`python -m homeroom.parts.kafka_jars FOLDER` writes `kafka_build/jars.sha512` anew from a folder
filled by Maven, after a deliberate change of `kafka_build/pom.xml`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from homeroom.parts.missing import Missing
from homeroom.parts.settings import PartsSettings

PART = "Kafka"
OLDEST_JAVA = 17
FETCH_TIMEOUT_S = 300
BUILD = Path(__file__).parent / "kafka_build"
SUMS = BUILD / "jars.sha512"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def find_java(settings: PartsSettings) -> Path | Missing:
    """A `java` of at least version 17: `JAVA_HOME`'s, else the one on the PATH."""
    home = settings.java_home
    found = str(home / "bin" / "java") if home else shutil.which("java")
    if found is None:
        return Missing(part=PART, reason=f"it needs Java {OLDEST_JAVA} or newer, and none is here")
    try:
        answer = subprocess.run(
            [found, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return Missing(part=PART, reason=f"{found} does not run; it needs Java {OLDEST_JAVA}")
    version = re.search(r'version "(\d+)', answer.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return Missing(part=PART, reason=f"{found} is older than Java {OLDEST_JAVA}")
    return Path(found)


def kafka_jars(settings: PartsSettings) -> Path | Missing:
    """A folder with exactly the jars of `jars.sha512`; fetches them where they are not cached."""
    cache = settings.cache.resolve()
    if complaint(cache) is None:
        return cache
    maven = shutil.which("mvn")
    if maven is None:
        reason = f"its jars are not in {cache} and Maven (mvn) is not here to fetch them"
        return Missing(part=PART, reason=reason)
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        return _fetch(maven, fresh=fresh, cache=cache)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fetch(maven: str, *, fresh: Path, cache: Path) -> Path | Missing:
    command = [
        maven, "-q", "-B", "-f", str(BUILD / "pom.xml"), COPY,
        "-DincludeScope=runtime", f"-DoutputDirectory={fresh}",
    ]  # fmt: skip
    try:
        subprocess.run(command, timeout=FETCH_TIMEOUT_S, check=True, capture_output=True, cwd=BUILD)
    except (OSError, subprocess.SubprocessError) as error:
        reason = (
            f"Maven could not fetch its jars ({type(error).__name__}); try: {' '.join(command)}"
        )
        return Missing(part=PART, reason=reason)
    wrong = complaint(fresh)
    if wrong is not None:
        return Missing(part=PART, reason=f"what Maven fetched is not what was pinned: {wrong}")
    shutil.rmtree(cache, ignore_errors=True)
    fresh.rename(cache)
    return cache


def complaint(folder: Path) -> str | None:
    """None if `folder` holds exactly the pinned jars with their sums, else what differs."""
    pairs = (line.split() for line in SUMS.read_text("ascii").splitlines())
    pinned = {name: digest for digest, name in pairs}
    here = {path.name: path for path in folder.glob("*.jar")}
    if here.keys() != pinned.keys():
        strange, lacking = len(here.keys() - pinned.keys()), len(pinned.keys() - here.keys())
        return f"{lacking} jars are missing and {strange} are unknown"
    for name, path in here.items():
        if _sum(path) != pinned[name]:
            return f"the SHA-512 of {name}"
    return None


def _sum(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha512").hexdigest()


def main(arguments: list[str]) -> None:
    """Writes the sums of the jars in the folder named by the only argument."""
    jars = sorted(Path(arguments[0]).glob("*.jar"))
    lines = [f"{_sum(path)}  {path.name}\n" for path in jars]
    SUMS.write_text("".join(lines), "ascii")


if __name__ == "__main__":
    main(sys.argv[1:])
