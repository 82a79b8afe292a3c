"""`model-card.md`: what a model is, for whoever is given it."""

from collections.abc import Mapping
from typing import Any

LIMITS = """## Limits

* The photos are inventions that fit the sketch. **A generated face is not evidence of identity**:
  what a drawing does not tell, such as colours, skin, age and background, comes from the training
  photos. Do not use it to identify, accuse or exclude a person.
* It has learnt from the pairs named above, with their bias of age, sex, skin, dress and light, and
  knows nothing else. On other drawings than it was trained on, expect worse.
* Whether its pictures may be published depends on the rights in the training data, and on those of
  the people who are drawn.
"""


def model_card(
    name: str, about: Mapping[str, Any], figures: Mapping[str, Mapping[str, float]], command: str
) -> str:
    """The card, as Markdown.

    Args:
        name: Of the run.
        about: What its weights say of themselves.
        figures: Predictor -> metric -> mean on the held-out pairs.
        command: That trains the same model again.
    """
    data, config = about["dataset"], about["config"]
    height, width = about["size"]
    said = {
        "licence": data["licence"],
        "terms": data["notice"],
        "citation": data["citation"],
    }
    terms = "".join(f"* {key}: {value}\n" for key, value in said.items() if value)
    return (
        f"# {name}\n\n"
        f"Turns sketches into photographs of {width}x{height} pixels: generator "
        f"`{config['model']['generator']}`, recipe `{config['preset']}`, {about['epochs_done']} "
        f"epochs, {about['images_seen']:,} pictures, made by sketch2img {about['version']}.\n\n"
        f"## Use\n\n    sketch2img generate SKETCH PHOTO --model {name}\n\n"
        "For art, teaching and research on drawings like those that it was trained on.\n\n"
        f"## Training data\n\n{data['training_pairs']} pairs of `{data['name']}` (fingerprint "
        f"`{data['fingerprint'][:16]}`)\n\n{terms or '* no licence was given'}\n"
        f"{_figures(figures)}{LIMITS}\n## Made with\n\n    {command}\n"
    )


def _figures(figures: Mapping[str, Mapping[str, float]]) -> str:
    if not figures:
        return ""
    metrics = list(next(iter(figures.values())))
    lines = [
        "| | " + " | ".join(metrics) + " |",
        "|---" * (len(metrics) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(f"{values[m]:.3f}" for m in metrics) + " |"
            for name, values in figures.items()
        ),
    ]
    return "## Figures\n\nMeans on held-out pairs:\n\n" + "\n".join(lines) + "\n\n"
