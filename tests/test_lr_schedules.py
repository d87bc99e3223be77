"""Learning-rate schedules: resuming, combining, errors; tests/peers compares the numbers."""

from __future__ import annotations

from typing import Any

import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, ArgumentTypeError, StateDictError
from gpudl.optim import lr_scheduler as schedules
from gpudl.optim import swa_utils


def test_a_schedule_resumes() -> None:
    def make() -> tuple[Any, Any]:
        opt = gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        return opt, schedules.OneCycleLR(opt, max_lr=0.5, total_steps=20)

    opt, schedule = make()
    for _ in range(7):
        schedule.step()
    again, resumed = make()
    again.load_state_dict(opt.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(13):  # as many as total_steps, as a loop that steps after every batch does
        schedule.step()
        resumed.step()
        assert again.param_groups[0] | {"params": 0} == opt.param_groups[0] | {"params": 0}
    with pytest.raises(ArgumentError, match="step 21 of 20"):
        schedule.step()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 0}),
        ("CosineAnnealingLR", {"T_max": 0}),
        ("OneCycleLR", {"max_lr": 0.1}),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 0}),
        ("OneCycleLR", {"max_lr": [0.1, 0.2], "total_steps": 5}),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "anneal_strategy": "steps"}),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "div_factor": 0}),
        ("MultiStepLR", {"milestones": [1], "gamma": -1.0}),
        ("ConstantLR", {"factor": 1.5}),
        ("LinearLR", {"start_factor": 0.0}),
        ("LinearLR", {"total_iters": 0}),
        ("PolynomialLR", {"total_iters": 0}),
        ("ExponentialLR", {"gamma": 0.5, "last_epoch": -2}),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 0}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "scale_mode": "epochs"}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 0}),
        ("ReduceLROnPlateau", {"mode": "best"}),
        ("ReduceLROnPlateau", {"factor": 1.0}),
    ],
)
def test_schedules_that_make_no_sense(name: str, options: dict[str, Any]) -> None:
    opt = gd.optim.Adam([gd.ones(1, requires_grad=True)])
    with pytest.raises(ArgumentError) as caught:
        getattr(schedules, name)(opt, **options)
    assert caught.value.op == name


def test_schedules_need_an_optimizer_with_what_they_change() -> None:
    with pytest.raises(ArgumentTypeError, match="an optimizer"):
        schedules.StepLR(3, 1)  # type: ignore[arg-type]
    opt = gd.optim.SGD([gd.ones(1, requires_grad=True)])
    with pytest.raises(ArgumentTypeError, match="function"):
        schedules.LambdaLR(opt, 0.5)  # type: ignore[arg-type]
    with pytest.raises(StateDictError, match="initial_lr"):
        schedules.StepLR(opt, 1, last_epoch=4)
    with pytest.raises(StateDictError, match="lacks"):
        schedules.StepLR(opt, 1).load_state_dict({})


def sgd(lr: float = 1.0) -> Any:
    return gd.optim.SGD([gd.ones(1, requires_grad=True)], lr=lr, momentum=0.9)


MAKERS: dict[str, Any] = {
    "multiplicative": lambda opt: schedules.MultiplicativeLR(opt, lambda step: 0.9),
    "cyclic": lambda opt: schedules.CyclicLR(opt, 0.1, 0.7, 3),
    "restarts": lambda opt: schedules.CosineAnnealingWarmRestarts(opt, 3, 2),
    "swa": lambda opt: swa_utils.SWALR(opt, 0.1, 5),
    "sequential": lambda opt: schedules.SequentialLR(
        opt, [schedules.LinearLR(opt, 0.1), schedules.ExponentialLR(opt, 0.9)], [4]
    ),
    "chained": lambda opt: schedules.ChainedScheduler(
        [schedules.ConstantLR(opt, 0.5, 3), schedules.ExponentialLR(opt, 0.9)]
    ),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("steps", [1, 6])
def test_schedules_resume(name: str, steps: int, tmp_path: Any) -> None:
    opt = sgd()
    schedule = MAKERS[name](opt)
    for _ in range(steps):
        schedule.step()
    state = {"opt": opt.state_dict(), "schedule": schedule.state_dict()}
    gd.save(state, tmp_path / "saved.safetensors")
    again = sgd()
    fresh = MAKERS[name](again)
    saved = gd.load(tmp_path / "saved.safetensors")
    again.load_state_dict(saved["opt"])
    fresh.load_state_dict(saved["schedule"])
    for _ in range(9):
        assert again.param_groups[0]["lr"] == opt.param_groups[0]["lr"]
        assert fresh.get_last_lr() == schedule.get_last_lr()
        schedule.step()
        fresh.step()


def test_a_chain_at_its_end_stays_as_it_was() -> None:
    opt = sgd()
    chain = schedules.ChainedScheduler(
        [schedules.MultiplicativeLR(opt, lambda s: 0.5), schedules.OneCycleLR(opt, 1.0, 3)]
    )
    for _ in range(3):
        chain.step()
    before = chain.state_dict(), opt.param_groups[0]["lr"]
    for _ in range(2):
        with pytest.raises(ArgumentError, match="larger total_steps"):
            chain.step()
    assert (chain.state_dict(), opt.param_groups[0]["lr"]) == before


def test_schedules_of_schedules_check_what_they_are_given() -> None:
    opt, other = sgd(), sgd()
    one, two = schedules.StepLR(opt, 2), schedules.StepLR(other, 2)
    plateau = schedules.ReduceLROnPlateau(opt)
    for make in (schedules.ChainedScheduler, lambda s: schedules.SequentialLR(opt, s, [1])):
        with pytest.raises(ArgumentError, match="different optimizers"):
            make([one, two])
        with pytest.raises(ArgumentTypeError, match="no metric"):
            make([one, plateau])
        with pytest.raises(ArgumentError, match="no schedulers"):
            make([])
    for milestones in ([], [3, 2], [0, 1]):
        with pytest.raises(ArgumentError, match="milestones"):
            schedules.SequentialLR(opt, [one, one, one], milestones)
    made = schedules.ChainedScheduler([one])
    with pytest.raises(StateDictError, match="lacks"):
        made.load_state_dict({"last_epoch": 1})
