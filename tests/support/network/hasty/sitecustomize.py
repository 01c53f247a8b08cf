"""On the path of a test's processes: machines are given up after seconds, not minutes."""

from lingshu_train.running import peers

peers.GONE_S = 12.0
peers.JOIN_S = 30.0
