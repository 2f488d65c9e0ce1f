"""The server of Flower: federated averaging; the model is a file at the end."""

from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from local_model import blank

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    asked = context.run_config
    clients = int(asked["clients"])
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
    start = ArrayRecord([blank(int(asked["classes"]))])
    result = strategy.start(grid=grid, initial_arrays=start, num_rounds=int(asked["rounds"]))
    np.save(str(asked["model"]), result.arrays.to_numpy_ndarrays()[0])
