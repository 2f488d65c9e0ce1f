"""A client of NVIDIA FLARE: trains on the file of its site's name in the folder that it is given."""

from __future__ import annotations

import sys
from pathlib import Path

import nvflare.client as flare
from local_model import learn
from nvflare.app_common.np.constants import NPConstants
from nvflare.client import FLModel


def main() -> None:
    folder = Path(sys.argv[1])
    flare.init()
    data = folder / f"{flare.get_site_name()}.json"
    while flare.is_running():
        received = flare.receive()
        model, count = learn(received.params[NPConstants.NUMPY_KEY], data)
        flare.send(FLModel(params={NPConstants.NUMPY_KEY: model}, metrics={}, meta={"NUM_STEPS_CURRENT_ROUND": count}))


if __name__ == "__main__":
    main()
