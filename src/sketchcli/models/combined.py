"""The two networks put together."""

from torch import Tensor, nn

from sketchcli.models.blocks import Verdict


class CombinedModel(nn.Module):
    """The generator followed by the frozen discriminator."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, sketch: Tensor) -> tuple[Tensor, Tensor]:
        """Photos `(B, 3, H, W) in [-1, 1]`, and the probability `(B,)` that each is real."""
        photo = self.generator(sketch)
        return photo, self.judge(sketch, photo).probability

    def judge(self, sketch: Tensor, photo: Tensor) -> Verdict:
        """What the frozen discriminator says of photos.

        Gradients pass through it to the photos; its parameters collect none, and its running
        statistics stand still.
        """
        was_training = self.discriminator.training
        learning = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator.eval().requires_grad_(False)
        try:
            verdict: Verdict = self.discriminator(sketch, photo)
        finally:
            self.discriminator.train(was_training)
            for parameter in learning:
                parameter.requires_grad_(True)
        return verdict
