"""A client of Flower: trains on the file that its node's configuration names."""

from __future__ import annotations

from pathlib import Path

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from local_model import learn

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    (model,) = message.content["arrays"].to_numpy_ndarrays()
    model, count = learn(model, Path(str(context.node_config["data"])))
    answer = {"arrays": ArrayRecord([model]), "metrics": MetricRecord({"num-examples": count})}
    return Message(content=RecordDict(answer), reply_to=message)
