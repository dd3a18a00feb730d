"""Train members of a population: the SDK that runs inside of a worker.

    from population_worker import Session

    with Session() as session:
        for member in session.members():
            model = build(member.hyperparameters)
            for interval in member.intervals(save=save, load=load, apply=apply):
                score = train(model, interval.step, interval.until)
                interval.report(interval.until, score)

`population_worker.torch.TorchState` is a ready save, load and apply for PyTorch. The wire protocol
is in docs/worker-contract.md.
"""

from population_worker.directive import CheckpointRef, Directive, Kind
from population_worker.environment import Environment, InvalidEnvironment
from population_worker.member import Interval, Member
from population_worker.seeding import seed_everything
from population_worker.session import Session
from population_worker.wire import Value

__all__ = [
    "CheckpointRef",
    "Directive",
    "Environment",
    "Interval",
    "InvalidEnvironment",
    "Kind",
    "Member",
    "Session",
    "Value",
    "seed_everything",
]
