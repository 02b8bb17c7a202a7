import torch

from byrote.recipes.seeding import seed_generators


def test_draws_are_those_of_torchs_own_seed():
    torch.manual_seed(2**40 + 7)
    expected = torch.rand(9)
    seed_generators(2**40 + 7)
    assert torch.equal(torch.rand(9), expected)


def test_all_devices_are_seeded_where_there_is_one(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    seed_generators(5)
    assert seeded == [5]
