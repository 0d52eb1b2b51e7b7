"""Change recipes in Python, train them and compare them."""

import sys

import bakeoff


def main(folder: str) -> None:
    study = bakeoff.load_study("quickstart", recipes=["lenet5"])
    plain = study.recipes["lenet5"]
    study = study.changed(
        name="own-recipes",
        seeds=3,
        baseline="plain",
        recipes={
            "lenet5": None,
            "plain": plain.changed(epochs=4),
            "dropout": plain.changed(epochs=4, model={"dropout": 0.3}),
            "sgd": plain.changed(
                epochs=4,
                optimizer={"name": "sgd", "lr": 0.05, "nesterov": True},
                schedule="one_cycle",
            ),
        },
    )
    result = bakeoff.run(study, folder)
    print(result.pairs.round(4).to_string(index=False))
    print(result.comparison.conclusion)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "results/own-recipes")
