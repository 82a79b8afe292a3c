"""Examples of each command, for its help and for the man page; a test reads every one."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "fetch-data": (
        "sketch2img fetch-data --list",
        "sketch2img fetch-data demo --count 200",
        "sketch2img fetch-data cuhk --accept-licence",
    ),
    "preprocess": (
        "sketch2img preprocess demo --size 64",
        "sketch2img preprocess --sketches drawings --photos portraits --name mine",
        "sketch2img preprocess --photos portraits --style hand",
    ),
    "train": (
        "sketch2img train --epochs 100",
        "sketch2img train mine --budget 30m --run-dir runs/mine",
        "sketch2img train --resume mine",
    ),
    "generate": (
        "sketch2img generate in.png out.png",
        "sketch2img generate drawings photos --model mine",
        "sketch2img generate - - < in.png > out.png",
    ),
    "eval": (
        "sketch2img eval",
        "sketch2img eval --model mine --data cuhk-128 --metric ssim",
        "sketch2img eval real-photos generated-photos",
    ),
    "models": ("sketch2img models", "sketch2img models --finished --json"),
    "export": ("sketch2img export mine mine.onnx",),
    "import-weights": (
        "sketch2img import-weights net_G.pth mine.safetensors --generator resnet",
        "sketch2img generate in.png out.png --model mine.safetensors",
    ),
    "doctor": ("sketch2img doctor", "sketch2img doctor --json > doctor.json"),
}


def epilog(command: str) -> str:
    """The examples as a help's last lines: Typer joins lines, and keeps paragraphs apart."""
    return "\n\n".join(["Examples:", *(f"  {example}" for example in EXAMPLES[command])])
