"""A small convolutional network learns to read digits; its hyperparameters change on the way."""

import torch
from data import Split, augment, load
from torch import nn
from torch.nn import functional

from population_worker import Session
from population_worker.torch import TorchState


def build(hyperparameters: dict) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network and its optimizer."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(hyperparameters["dropout"]),
        nn.Linear(32 * 4 * 4, 10),
    )
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=hyperparameters["lr"],
        momentum=0.9,
        weight_decay=hyperparameters["weight_decay"],
    )
    return model, optimizer


def set_dropout(model: nn.Module, probability: float) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = probability


def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Accuracy and cross-entropy."""
    model.eval()
    with torch.no_grad():
        logits = model(split.images)
    model.train()
    correct = (logits.argmax(1) == split.labels).float().mean().item()
    return correct, functional.cross_entropy(logits, split.labels).item()


def main() -> None:
    torch.set_num_threads(1)
    train, valid, test = load()
    with Session() as session:
        for member in session.members():
            model, optimizer = build(member.hyperparameters)
            for interval in member.intervals(TorchState(model=model, optimizer=optimizer)):
                values = interval.hyperparameters
                set_dropout(model, values["dropout"])
                generator = torch.Generator().manual_seed(interval.seed)
                for _ in range(interval.step, interval.until):
                    batch = torch.randint(
                        len(train.labels), (values["batch_size"],), generator=generator
                    )
                    images = augment(train.images[batch], values["augmentation"], generator)
                    loss = functional.cross_entropy(model(images), train.labels[batch])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                accuracy, validation_loss = evaluate(model, valid)
                test_accuracy, _ = evaluate(model, test)
                interval.report(
                    interval.until,
                    accuracy,
                    test_accuracy=test_accuracy,
                    validation_loss=validation_loss,
                )


if __name__ == "__main__":
    main()
