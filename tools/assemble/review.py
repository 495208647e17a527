# SPDX-License-Identifier: GPL-2.0
"""Our files, and which texts of base files somebody has looked through beside
them, see "reviewed".

Shared by tree, which warns of others, and by drift, which shows what is new in
them. The texts themselves are the base's and not in this repository. Those that
have passed through build/ are kept there, by their SHA-256.
"""

import gzip
import hashlib
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build")
ROOMS = ("include", "net", "Documentation", "tools/testing/selftests",
         "tools/net", "Kconfig")
KEPT = os.path.join(BUILD, "reviewed")


def number(version):
    """A version as something that compares."""
    return [int(part) for part in version.split(".")]


def base_of(version):
    """6.1 of 6.1.192"""
    return ".".join(version.split(".")[:2])


def digest(text):
    return hashlib.sha256(text).hexdigest()


def our_paths():
    """Every file of ours that belongs in the tree."""
    paths = []
    for room in ROOMS:
        top = os.path.join(TOP, room)
        if os.path.isfile(top):
            paths.append(room)
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != "__pycache__"]
            paths += [os.path.relpath(os.path.join(folder, name), TOP)
                      for name in files
                      if not name.startswith(".") and not name.endswith("~")]
    return sorted(paths)


class Reviewed:
    """The list: {path: {digest: version}}."""

    def __init__(self):
        self.paths = {}
        with open(os.path.join(HERE, "reviewed"), encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    sha, version, path = line.split()
                    self.paths.setdefault(path, {})[sha] = version

    def knows(self, path, text):
        return digest(text) in self.paths.get(path, {})

    def versions(self, path):
        return sorted(set(self.paths.get(path, {}).values()), key=number)

    def newest(self, base, path=None):
        """The newest version of a base that is reviewed, of all files or of
        one: (version, digest), each None if there is none.
        """
        found = [(number(version), version, sha)
                 for each, known in self.paths.items()
                 if path in (None, each)
                 for sha, version in known.items()
                 if base_of(version) == base]
        return max(found)[1:] if found else (None, None)


def keep(text):
    """Keep the text of a file for a drift to come."""
    os.makedirs(KEPT, exist_ok=True)
    path = os.path.join(KEPT, digest(text))
    if not os.path.exists(path):
        with open(path + ".new", "wb") as file:
            file.write(text)
        os.rename(path + ".new", path)


def kept(sha):
    """The text with this digest, None if it is not here."""
    try:
        with open(os.path.join(KEPT, sha), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def changelog(base, since):
    """What Debian's changelog says of IPVS in releases after "since"."""
    lines, heading = [], ""
    path = f"/usr/share/doc/linux-source-{base}/changelog.Debian.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            release = re.match(r"linux \(([0-9.]+)", line)
            stable = re.search(r"/ChangeLog-([0-9.]+)$", line)
            if release and since and number(release[1]) <= number(since):
                break
            if release:
                heading = release[1]
            if stable:
                heading = stable[1]
            if re.search(r"ipvs|ip_vs", line, re.I):
                lines.append(f"  {heading:8} {line.strip()}")
    return "\n".join(lines)
