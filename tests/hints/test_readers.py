"""Hints of readers of other programs' files are followed: what is spoiled brings one, what is as it says is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from byrote.runs.readers import feldman_zhang, leakpro, mi_lira_2021, privacy_meter, read
from byrote.runs.readers._files import read_array
from byrote.runs.readers._values import one_value_each
from followed import Case, each, follow
from runs.readers import folders

LABELS, N = folders.LABELS, folders.EXAMPLES
Edit = Callable[[Path], Any]


def npz(path: Path, **changes: Any) -> None:
    """Arrays of a file that are replaced, or left out where None is given."""
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def saved(name: str, array: Any) -> Edit:
    """A file of the layout holds another array."""
    return lambda files: np.save(files / name, array)


def changed(name: str, **arrays: Any) -> Edit:
    """Arrays of a file in the layout are others."""
    return lambda files: npz(files / name if name else files, **arrays)


def gone(name: str) -> Edit:
    """What matches is removed."""
    return lambda files: [one.unlink() if one.is_file() else shutil.rmtree(one) for one in sorted(files.glob(name))]


def as_it_is(files: Path) -> None:
    """Nothing is changed."""


class Layout:
    """Files as another program leaves them, and the reader of them."""

    def __init__(self, make: Callable[[Path], Path], reader: Callable[..., Any], **settings: Any) -> None:
        self.make, self.reader, self.settings = make, reader, {"labels": LABELS} | settings

    def read(self, edit: Edit = as_it_is, **settings: Any) -> Callable[[Path], Any]:
        """Read them after an edit, in a place of their own."""

        def reading(folder: Path) -> Any:
            place = folder / f"of-{len(list(folder.iterdir()))}"
            place.mkdir()
            files = self.make(place / "files")
            edit(files)
            return self.reader(files, place / "run", **(self.settings | settings))

        return reading

    def case(self, name: str, edit: Edit, says: str, right: Edit = as_it_is, **settings: Any) -> Case:
        """A case of an edit that spoils, and of another that the hint names: none, where it is the whole release."""
        return Case(name=name, wrong=self.read(edit, **settings), says=says, right=self.read(right))


def single(path: Path, make: Callable[[Path], Path] = folders.infl_matrix) -> Path:
    """A layout of one file."""
    return make(path.with_suffix(".npz"))


def pairs(path: Path, **changes: Any) -> Path:
    """Feldman & Zhang's pairs of high influence."""
    made = path.with_suffix(".npz")
    np.savez(made, **({"tr_idx": np.arange(4), "tt_idx": np.arange(4), "infl": np.full(4, 0.2)} | changes))
    return made


def estimates(path: Path, values: Any = None) -> Path:
    """Their estimates alone."""
    np.savez(path.with_suffix(".npz"), memorization=folders.MEMORIZATION if values is None else values)
    return path.with_suffix(".npz")


def told(change: Callable[[dict[str, Any]], Any]) -> Edit:
    """The metadata of Privacy Meter say otherwise."""

    def tell(files: Path) -> None:
        path = files / "models" / "models_metadata.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return tell


def nothing_finite(files: Path) -> None:
    """Models that diverged, all of them."""
    for one in files.glob("experiment*/logits/*100.npy"):
        np.save(one, np.full((N, 1, 2, folders.CLASSES), np.nan))


LIRA = Layout(partial(folders.mi_lira, kinds=("logits",)), mi_lira_2021.read, labels=None)
METER = Layout(folders.privacy_meter, privacy_meter.read)
LEAKPRO = Layout(folders.leakpro, leakpro.read)
RELEASE = Layout(single, partial(read, "feldman_zhang"))
PAIRS = Layout(pairs, partial(read, "feldman_zhang"))
ALONE = Layout(estimates, partial(read, "feldman_zhang"))
RUNS = Layout(folders.aux_arrays, feldman_zhang.read_runs)
RANKINGS = Layout(folders.rankings, partial(read, "carlini_2019"))
SCORES = Layout(partial(single, make=folders.c_scores), partial(read, "c_score"), labels=None)
AUX = "0.5/0/aux_arrays.npz"
ONE = "experiment-0_6"

READERS = (
    SCORES.case("no array of that name", changed("", scores=None), "under these names"),
    SCORES.case("no arrays", lambda files: files.write_text("a,b\n"), "one of such files"),
    SCORES.case("damaged arrays", lambda files: files.write_bytes(files.read_bytes()[:90]), "copy it again"),
    SCORES.case("ids that repeat", as_it_is, "that differ, one per example", ids=["a"] * N),
    SCORES.case("scores of a part", changed("", scores=folders.SCORES[:9]), "labels=… of the whole dataset"),
    SCORES.case("labels of a part", as_it_is, "bring both into one order", labels=LABELS[:9]),
    RANKINGS.case("no ranking", gone("order_*"), "order_<dataset>_<metric>_train.npy"),
    RELEASE.case("none of theirs", changed("", tr_mem=None), "'tr_mem' and 'tr_labels'"),
    RELEASE.case("an index of decimals", changed("", tr_classidx_0=np.zeros(20)), "download the file again"),
    RELEASE.case("a matrix of others", changed("", infl_matrix_class0=np.zeros((2, 2))), "download the file again"),
    RELEASE.case("labels of others", changed("", tr_labels=folders.OTHERS), "take both from one release", labels=None),
    PAIRS.case("pairs of two lengths", changed("", infl=np.zeros(3)), "infl"),
    PAIRS.case("pairs of decimals", changed("", tr_idx=np.zeros(4)), "infl"),
    PAIRS.case("pairs of more", changed("", tr_idx=np.arange(4) + N), "labels=… of the whole training set"),
    RUNS.case("no runs", gone("0.5"), "the folder of a subset ratio"),
    RUNS.case("another test set", changed(AUX, correctness_test=np.ones(3), index_test=np.arange(3)), "move the runs"),
    RUNS.case("another subsample", changed(AUX, subsample_idx=np.arange(3)), "leave this run out", gone("0.5/0")),
    RUNS.case("answers of a part", as_it_is, "labels=… of the whole training set", labels=LABELS[:9]),
    RUNS.case("answers of no length", changed(AUX, correctness_train=np.ones(2)), "leave this run out", gone("0.5/0")),
    LEAKPRO.case("no logits", gone("sm_*"), "sm_0_logits.npy"),
    LEAKPRO.case("examples twice", saved("audit_indices.npy", np.zeros(50, int)), "each audited example once"),
    LEAKPRO.case("no indices", gone("audit_indices.npy"), "np.save('audit_indices.npy'"),
    LEAKPRO.case("indices of decimals", saved("audit_indices.npy", np.zeros(50)), "np.save('audit_indices.npy'"),
    LEAKPRO.case("other rows", saved("sm_0_logits.npy", np.zeros((3, 3))), "the rows of the logits"),
    LEAKPRO.case(
        "two files of one",
        lambda files: shutil.copy(files / "sm_0_logits.npy", files / "sm_0_b_logits.npy"),
        "keep those of one",
    ),
    LIRA.case("no experiments", gone("experiment*"), "--logdir"),
    LIRA.case("no answers", gone(f"{ONE}/logits"), "move unfinished experiments away", gone(ONE)),
    LIRA.case("members of a part", saved(f"{ONE}/keep.npy", np.ones(3)), "keep.npy must say for each"),
    LIRA.case(
        "answers of a shape", saved(f"{ONE}/logits/0000000100.npy", np.ones((N, 3))), "inference.py and score.py again"
    ),
    LIRA.case("another epoch", gone(f"{ONE}/logits/0000000100.npy"), "move unfinished experiments away", gone(ONE)),
    LIRA.case(
        "answers without a number",
        nothing_finite,
        "compute",
    ),
    LIRA.case(
        "answers of others",
        saved(f"{ONE}/logits/0000000100.npy", np.ones((9, 1, 2, 3))),
        "move files of other data away",
    ),
    LEAKPRO.case("labels in another order", as_it_is, "into the order of the models' answers", labels=folders.OTHERS),
    LIRA.case("answers of text", saved(f"{ONE}/logits/0000000100.npy", np.full((N, 1, 2, 3), "a")), "as numbers"),
    LIRA.case("trained on all", saved(f"{ONE}/keep.npy", np.ones(N, bool)), "leave this model out, or", gone(ONE)),
    LIRA.case("trained on nothing", saved(f"{ONE}/keep.npy", np.zeros(N, bool)), "leave this model out.", gone(ONE)),
    LIRA.case("members twice", saved(f"{ONE}/keep.npy", np.full(N, 2)), "write 1 where"),
    METER.case("no signals", gone("signals/*"), "run_mia.py"),
    METER.case("signals of a part", saved("signals/rmia_signals.npy", np.ones((9, 6))), "audit.data_size"),
    METER.case("no metadata", gone("models/models_metadata.json"), "the log folder whole"),
    METER.case("metadata of none", told(lambda content: content.pop("0")), "the log folder whole"),
    METER.case("metadata of others", told(lambda content: content["0"].update(num_train=3)), "take both from one"),
    Case(
        name="several arrays",
        wrong=lambda folder: [np.savez(folder / "a.npy.npz", a=LABELS), read_array(folder / "a.npy.npz")],
        says="np.save",
        right=lambda folder: [np.save(folder / "a.npy", LABELS), read_array(folder / "a.npy")],
    ),
    SCORES.case(
        "one array",
        lambda files: [np.save(files.with_suffix(".npy"), LABELS), shutil.move(files.with_suffix(".npy"), files)],
        "np.savez(path, name=array",
    ),
    SCORES.case("no file", lambda files: files.unlink(), "check the path"),
    SCORES.case("a folder", lambda files: [files.unlink(), files.mkdir()], "check that the file is complete"),
    Case(
        name="values that are no numbers",
        wrong=lambda _: one_value_each(np.array(["a"] * N), N, "the file"),
        says="one number per example",
        right=lambda _: one_value_each(folders.SCORES, N, "the file"),
    ),
)


@each(*READERS)
def test_hints_of_readers_are_followed(case, tmp_path):
    follow(case, tmp_path)
