"""The collapse monitor in a Lightning training: one callback, and the samples that the step returns.

Run: pip install lightning, then: python monitored_lightning.py [--iterations 5000] [--lr-d 0.02] [--policy rollback]

The data are eight Gaussians on a circle, and D's rate is far too high. See monitored_loop.py for the same without
Lightning.
"""

import argparse
import math
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import steadygan as sg

try:
    import lightning.pytorch as lightning  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    sys.exit("this example needs Lightning: pip install lightning")


class Gan(lightning.LightningModule):  # type: ignore[misc, name-defined, unused-ignore]
    """D and G by turns; the step returns what it made, for whoever watches."""

    def __init__(self, lr_d: float) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.G, self.D, self.lr_d = mlp(2), mlp(1), lr_d

    def configure_optimizers(self) -> Any:
        betas = (0.5, 0.9)
        return (
            torch.optim.Adam(self.G.parameters(), lr=1e-3, betas=betas),
            torch.optim.Adam(self.D.parameters(), lr=self.lr_d, betas=betas),
        )

    def training_step(self, batch: list[Tensor], _: int) -> dict[str, Tensor]:
        (x,) = batch
        opt_g, opt_d = self.optimizers()  # type: ignore[attr-defined, misc, unused-ignore]
        y = self.G(torch.randn(len(x), 2, device=self.device)).detach()
        real, fake = self.D(x), self.D(y)
        d_loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()

        g_loss = F.softplus(-self.D(self.G(torch.randn(len(x), 2, device=self.device)))).mean()
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        return {"real": x, "fake": y, "real_logits": real, "fake_logits": fake, "d_loss": d_loss, "g_loss": g_loss}


def mlp(outputs: int) -> nn.Sequential:
    hidden = [layer for i in (2, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=5000)
    parser.add_argument("--lr-d", type=float, default=0.02)
    parser.add_argument("--policy", choices=("warn", "stop", "rollback"), default="stop")
    options = parser.parse_args()
    lightning.seed_everything(0)
    angles = torch.arange(8) * (2 * math.pi / 8)
    centres = 2 / 1.414 * torch.stack([angles.cos(), angles.sin()], 1)
    n = 64 * options.iterations
    data = centres[torch.randint(8, (n,))] + 0.02 / 1.414 * torch.randn(n, 2)

    monitor = sg.CollapseMonitor(every=200, policy=options.policy, loss=sg.losses.NonSaturating())
    watching = sg.callbacks.Lightning(monitor)  # its warnings tell; `D=` and `G=` where the networks have other names
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[watching],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Gan(options.lr_d), DataLoader(TensorDataset(data), batch_size=64))
    print(f"{monitor.calls:,} iterations, {len(monitor.records)} looks, {monitor.verdict.told}")


if __name__ == "__main__":
    main()
