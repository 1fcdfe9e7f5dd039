"""``python -m eval.ablate``: the experiments of the paper's Table III, trained and scored."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("eval.ablation.run", huge_pages=True)
