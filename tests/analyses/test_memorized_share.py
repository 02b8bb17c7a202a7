import numpy as np

from byrote.analyses.memorized_share import corrected_share
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.ratio_grid import ratio_grid
from byrote.runs.imported import import_arrays


def test_chance_is_taken_out_in_one_stratum_alone(tmp_path):
    rng = np.random.default_rng(0)
    designs = {"one": half_subset_pairs(20, 64, rng=rng), "two": ratio_grid(20, 32, ratios=(0.4, 0.6), rng=rng)}
    for name, design in designs.items():
        margin = (rng.normal(size=design.member.shape) + design.member).astype(np.float32)
        evidence = {"outputs.log_odds": margin, "outputs.logit_margin": margin}
        run = import_arrays(
            tmp_path / name, labels=np.arange(20) % 2, member=design.member, pair=design.pair, evidence=evidence
        )
        memorized = run.measure("label_memorization")
        assert (memorized.reason_code == 0).any()
        found = corrected_share(run, memorized)
        assert (found is None) == (name == "two")
