"""Decisions applied to shards of images: the classes that were changed, and without the examples that are left out."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from byrote.data.decisions import RELABEL, REMOVE, Decision, refuse_classes, refuse_strangers, refuse_within
from byrote.data.inert import inert
from byrote.data.tar_shards import LABEL, examples, id_of, members, named, shards_of


def write_shards(source: Path, out: Path, mine: Sequence[Decision]) -> None:
    """Write a .tar file, or a folder of them, again; all other files in the shards stay as they are.

    Raises:
        BadInput: a decision is about no example or class of them, or `out` lies in the folder.
    """
    refuse_within(source, out)
    shards = shards_of(source)
    files = [one for shard in shards for one in examples(shard)]
    refuse_strangers(mine, [one.id for one in files], source.name)
    classes = {inert(one.name): one.name for one in files}
    refuse_classes([one for one in mine if one.action == RELABEL], sorted(classes), source.name)
    gone = {one.example for one in mine if one.action == REMOVE}
    new = {one.example: classes[one.new] for one in mine if one.action == RELABEL}
    if source.is_dir():
        out.mkdir(parents=True)
    for shard in shards:
        _write(shard, out / shard.name if source.is_dir() else out, gone, new)


def _write(shard: Path, place: Path, gone: set[str], new: Mapping[str, str]) -> None:
    with tarfile.open(place, "w") as written:
        for archive, member in members(shard):
            key, ending = named(member) or ("", "")
            example = id_of(shard, key)
            if key and example in gone:
                continue
            stream = archive.extractfile(member) if member.isreg() else None
            if ending == LABEL and example in new:
                content = new[example].encode()
                member.size, stream = len(content), BytesIO(content)
            written.addfile(member, stream)
