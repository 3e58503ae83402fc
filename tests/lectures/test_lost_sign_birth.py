from functools import partial

from jaxmlp.lectures import _lost_sign_birth
from jaxmlp.lectures._rules import lost_sign_rule


def test_the_repaired_sign_fails_the_claims(monkeypatch):
    monkeypatch.setattr(_lost_sign_birth, "lost_sign_rule", partial(lost_sign_rule, sign=-1.0))
    # Another function, for the compiled loop of the lecture's own may be kept.
    monkeypatch.setattr(_lost_sign_birth, "epoch", lambda params, epoch=_lost_sign_birth.epoch: epoch(params))
    assert not any(claim.ok for claim in _lost_sign_birth.claims())


def test_an_eps_in_the_denominators_moves_the_birth(monkeypatch):
    monkeypatch.setattr(_lost_sign_birth, "lost_sign_rule", partial(lost_sign_rule, eps=1e-7))
    monkeypatch.setattr(_lost_sign_birth, "epoch", lambda params, epoch=_lost_sign_birth.epoch: epoch(params))
    failed = {claim.name for claim in _lost_sign_birth.claims() if not claim.ok}
    assert "traced: first epoch that is not finite" in failed
