"""The README's quickstart: your own modules, your own tensor. Run: python quickstart.py [--iterations 2000]"""

import sys

import torch

import steadygan as sg

iterations = int(sys.argv[2]) if sys.argv[1:2] == ["--iterations"] else 2000

data = torch.randn(5_000, 3) @ torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.3], [0.0, 0.0, 1.0]])
G = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 3))
D = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 1))
trainer = sg.Trainer(G, D, data, latent_dim=8, penalties=[sg.penalties.r1(0.1)], method=sg.methods.FakeAsReal(count=8))
run = trainer.fit(iterations)
print(run.sample(8), run.metrics[-1])
